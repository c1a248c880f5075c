"""Whether methods compete on equal terms: parameters and training FLOPs against their medians.

The medians are over methods, one value each, so that many seeds do not weigh more: of parameters
within a codec (its sizes shape the heads), of FLOPs within a codec and data size. A teacher's
training counts as its pupil's own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from leaderboard.trials import BoardTrial

PARAMETERS, FLOPS = 0.10, 0.05


@dataclass(frozen=True)
class Deviation:
    """A value against the median of `methods` methods' values."""

    value: float
    median: float
    methods: int
    limit: float

    @property
    def relative(self) -> float:
        """How far the value lies above the median, relative to it."""
        return self.value / self.median - 1 if self.median else 0.0

    @property
    def flagged(self) -> bool:
        """Whether it lies further away than comparison at equal terms allows."""
        return abs(self.relative) > self.limit


def parameter_deviations(trials: Sequence[BoardTrial]) -> dict[tuple[str, str], Deviation]:
    """Return each trained method's parameters by (label, codec); those of critics do not count."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in _listed(trials):
        values[trial.codec][trial.label].append(trial.record.parameters)
    return {
        (label, codec): found
        for codec, by_label in values.items()
        for label, found in _deviations(by_label, PARAMETERS).items()
    }


def flops_deviations(trials: Sequence[BoardTrial]) -> dict[tuple[str, str, str], Deviation]:
    """Return each method's training FLOPs, its teachers' included, by (label, codec, data size).

    A trial whose teacher's record is absent has no known total and takes no part.
    """
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in _listed(trials):
        total = trial.total_flops
        if total is not None:
            values[trial.codec, trial.record.data_size.label][trial.label].append(total)
    return {
        (label, codec, size): found
        for (codec, size), by_label in values.items()
        for label, found in _deviations(by_label, FLOPS).items()
    }


def _listed(trials: Sequence[BoardTrial]) -> list[BoardTrial]:
    """Leave out what was trained as a teacher alone."""
    return [trial for trial in trials if trial.listed]


def _deviations(by_label: dict[str, list[float]], limit: float) -> dict[str, Deviation]:
    own = {label: median(values) for label, values in by_label.items()}
    middle = median(own.values())
    return {label: Deviation(value, middle, len(own), limit) for label, value in own.items()}
