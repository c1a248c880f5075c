"""What a metric sees of an artefact: does its score follow the level, and from which level on?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leaderboard.compare import ALPHA, Tested, paired
from leaderboard.metric_keys import MetricKey
from leaderboard.sensitivity import Graded
from leaderboard.statistics import Difference, Estimate, holm, mean_estimate
from leaderboard.systems import Scores, System


@dataclass(frozen=True)
class Response:
    """One metric's response to one artefact.

    `follows` is the mean over utterances of Kendall's tau between the level, the reference first,
    and the score getting worse (1: every step of every utterance is scored worse than the one
    before; 0: the score does not follow), over those scored at all levels. `tests` are each level
    minus the reference, None where no utterance is scored in both. `span` is the same difference
    for the codec at its lowest bit rate: what the metric makes of a large, familiar loss.
    """

    graded: Graded
    metric: MetricKey
    follows: Estimate | None
    tests: tuple[Tested | None, ...]
    span: Tested | None

    @property
    def seen(self) -> tuple[int, ...]:
        """The places of the levels that are scored worse than the reference."""
        return tuple(place for place, test in enumerate(self.tests) if _side(test) < 0)

    @property
    def rewarded(self) -> tuple[int, ...]:
        """The places of the levels that are scored better than the reference."""
        return tuple(place for place, test in enumerate(self.tests) if _side(test) > 0)

    @property
    def threshold(self) -> int | None:
        """The place of the mildest level that is seen."""
        return self.seen[0] if self.seen else None

    @property
    def infinite(self) -> bool:
        """Whether differences are infinite, so that nothing could be tested."""
        return any(test is not None and test.difference.infinite for test in self.tests)

    @property
    def relative(self) -> tuple[float, float, float] | None:
        """The change at the most severe level in units of `span`, and its interval.

        The span is taken as given. None where it is not shown to be a loss, or is infinite.
        """
        last, span = self.tests[-1], self.span
        if last is None or span is None or _side(span) >= 0:
            return None
        if last.difference.infinite or span.difference.infinite:
            return None
        unit = span.difference.mean
        ends = last.difference.low / unit, last.difference.high / unit
        return last.difference.mean / unit, min(ends), max(ends)

    @property
    def measured(self) -> bool:
        """Whether there is anything to say."""
        return any(test is not None for test in self.tests)


def _side(test: Tested | None) -> int:
    """Return 1 for a level shown better than the reference, -1 for worse, 0 for neither.

    An infinite difference is one side's without a test: the reference's own value is infinite.
    """
    if test is None or math.isnan(test.difference.mean):
        return 0
    return test.gain if math.isinf(test.difference.mean) or test.p_holm < ALPHA else 0


def responses(
    copy: System, found: Sequence[Graded], split: str, metric: MetricKey
) -> list[Response]:
    """Test every level of every artefact against the reference, by one metric.

    p is Holm-corrected over all levels of all artefacts: the family is what is asked of a metric.
    """
    reference = copy.scores_of(split, metric)
    differences = [
        [_minus(system, reference, split, metric) for system in graded.systems] for graded in found
    ]
    flat = [test for row in differences for test in row]
    adjusted = iter(holm([test.p if test else math.nan for test in flat]))
    tested = [
        tuple(Tested(metric, t, p) if t else None for t, p in zip(row, adjusted, strict=False))
        for row in differences
    ]
    spans = [row[-1] for one, row in zip(found, tested, strict=True) if one.name == "codec"]
    span = spans[0] if spans else None
    return [
        Response(graded, metric, _follows(reference, graded, split, metric), tests, span)
        for graded, tests in zip(found, tested, strict=True)
    ]


def _minus(
    system: System, reference: Scores | None, split: str, metric: MetricKey
) -> Difference | None:
    scores = system.scores_of(split, metric)
    return paired(scores, reference, metric) if scores and reference else None


def _follows(
    reference: Scores | None, graded: Graded, split: str, metric: MetricKey
) -> Estimate | None:
    """Average the utterances' rank correlations between level and score."""
    steps = [reference, *(system.scores_of(split, metric) for system in graded.systems)]
    tables = [scores.scored for scores in steps if scores]
    if len(tables) < len(steps):
        return None
    shared = tables[0].index
    for table in tables[1:]:
        shared = shared.intersection(table.index)
    if shared.empty:
        return None
    shared = shared.sort_values()
    values = np.stack([table.loc[shared, "value"].to_numpy(np.float64) for table in tables])
    worse = -values if metric.higher_is_better else values
    own = mean_estimate(rank_correlation(worse), tables[0].loc[shared, "speaker"].tolist())
    return replace(own, low=max(own.low, -1.0), high=min(own.high, 1.0))  # as tau itself is bounded


def rank_correlation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Kendall's tau-a (n,) of each column of values (levels, n) with the level.

    Only the order counts, so infinite values take part; ties are neither order (Kendall, Biometrika
    30, 1938; tau-a). A column of equal values has 0.
    """
    steps = len(values)
    total = np.zeros(values.shape[1])
    for earlier in range(steps):
        later = values[earlier + 1 :]
        total += (later > values[earlier]).sum(axis=0)
        total -= (later < values[earlier]).sum(axis=0)
    tau: NDArray[np.float64] = total / (steps * (steps - 1) / 2)
    return tau
