"""Which trials trained past their validation minimum: from the learning curves of their records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from leaderboard.findings import Cells
from leaderboard.systems import System


@dataclass(frozen=True)
class PastMinimum:
    """How many of a method's trials on one data size trained past their validation minimum.

    `best_step` is the median step of lowest validation loss, of `steps`; `rise` the median of how
    far the last validation loss lies above the lowest, as a share of it.
    """

    label: str
    size: str
    trials: int
    past: int
    best_step: float
    steps: float
    rise: float


def past_minimum(cells: Cells) -> list[PastMinimum]:
    """Return every method's trials by data size, from their learning curves."""
    trials: dict[tuple[str, str], dict[str, System]] = {}
    for (cell, _), seeds in cells.found.items():
        for system in (one for listed in seeds.values() for one in listed):
            if system.trial:
                trials.setdefault((cell.label, cell.size), {})[system.trial.id] = system
    return [summary(label, size, list(own.values())) for (label, size), own in trials.items()]


def summary(label: str, size: str, systems: Sequence[System]) -> PastMinimum:
    """Summarise the learning curves of the same method's trials."""
    found = [s.trial for s in systems if s.trial]
    rises = []
    for trial in found:
        valid = [point.valid for point in trial.curve if point.valid is not None]
        rises.append((valid[-1] - min(valid)) / abs(min(valid)) if valid else math.nan)
    return PastMinimum(
        label,
        size,
        trials=len(found),
        past=sum(rise > 0 for rise in rises),
        best_step=median([trial.best_step for trial in found]),
        steps=median([trial.steps for trial in found]),
        rise=median(rises),
    )
