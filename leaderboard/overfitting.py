"""What was lost by training past the validation minimum, trial by trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.cells import DASH, Cell, number, significant
from leaderboard.trials import BoardTrial


@dataclass(frozen=True)
class Overfit:
    """One trial's validation losses: the lowest, at `best_step`, and the last, at `last_step`.

    They are NaN where they were not measured.
    """

    trial: BoardTrial
    best_step: int
    last_step: int
    best: float
    last: float

    @classmethod
    def of(cls, trial: BoardTrial) -> Overfit:
        """Read them from a trial's learning curve."""
        record = trial.record
        valid = {point.step: point.valid for point in record.curve if point.valid is not None}
        last_step = max(valid, default=record.steps)
        best, last = (valid.get(step, math.nan) for step in (record.best_step, last_step))
        return cls(trial, record.best_step, last_step, best, last)

    @property
    def rise(self) -> float:
        """How far the last loss lies above the lowest, relative to it; NaN where undefined."""
        return (self.last - self.best) / abs(self.best) if self.best else math.nan

    @property
    def past_minimum(self) -> bool:
        """Whether training went on after the lowest validation loss, and ended above it."""
        return self.best_step < self.last_step and self.last > self.best


@dataclass(frozen=True)
class OverfitRow:
    """A trial as the table shows it."""

    found: Overfit
    best: Cell
    last: Cell
    rise: Cell


def overfit_rows(trials: Sequence[BoardTrial]) -> list[OverfitRow]:
    """Return every trial with a learning curve, in the order given."""
    found = (Overfit.of(trial) for trial in trials if trial.record.curve)
    return [
        OverfitRow(entry, _loss(entry.best), _loss(entry.last), _rise(entry.rise))
        for entry in found
    ]


def _loss(value: float) -> Cell:
    if math.isnan(value):
        return Cell(DASH, title="not measured")
    shown = significant(value) if math.isfinite(value) else number(value, 0)
    return Cell(shown, sort=repr(value).replace("inf", "Infinity"))


def _rise(value: float) -> Cell:
    if not math.isfinite(value):
        return Cell(DASH, title="undefined")
    return Cell(f"{number(100 * value, 2, sign=True)} %", sort=repr(value))
