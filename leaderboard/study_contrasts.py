"""The study's tests: slopes over quantization error, and gaps at each K and over K.

A slope is the least-squares slope of the score over the codecs' quantization error in dB, utterance
by utterance (for error rates: of the rate itself), so every comparison of slopes is paired. The K
values and their errors are taken as given: intervals cover utterances and speakers alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.compare import Tested, combined, paired
from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import Difference, holm, slope_weights
from leaderboard.study import Group, StudyPoint, StudySeries, pairs
from leaderboard.systems import Scores

Common = list[tuple[StudyPoint, list[Scores]]]


@dataclass(frozen=True)
class Slope:
    """How one series' score changes per dB, over `count` values of K."""

    series: StudySeries
    count: int
    test: Tested


@dataclass(frozen=True)
class Gap:
    """One series minus another: `tests` by K, over all K (`overall`), and per dB (`slope`)."""

    left: StudySeries
    right: StudySeries
    metric: MetricKey
    tests: dict[int, Tested]
    overall: Difference
    slope: Tested | None


def slopes(group: Group, split: str, metrics: Sequence[MetricKey]) -> list[Slope]:
    """Return every series' slope by every metric where it has scores at two K or more.

    p is Holm-corrected over all that are returned.
    """
    found: list[tuple[StudySeries, int, MetricKey, Difference]] = []
    for series in group.series:
        for metric in metrics:
            at = common([series], split, metric)
            test = _slope(at, [1.0], metric)
            if test:
                found.append((series, len(at), metric, test))
    adjusted = holm([test.p for *_, test in found])
    return [
        Slope(series, count, Tested(metric, test, p))
        for (series, count, metric, test), p in zip(found, adjusted, strict=True)
    ]


def gaps(group: Group, split: str, metrics: Sequence[MetricKey]) -> list[Gap]:
    """Return the study's contrasts. The tests by K are one Holm family, the slopes another."""
    found: list[tuple[StudySeries, StudySeries, MetricKey, Common, dict[int, Difference]]] = []
    for left, right in pairs(group.series):
        for metric in metrics:
            at = common([left, right], split, metric)
            tests = {
                point.entries: test
                for point, (a, b) in at
                if (test := paired(a, b, metric)) is not None
            }
            if tests:
                found.append((left, right, metric, at, tests))
    by_k = iter(holm([test.p for *_, tests in found for test in tests.values()]))
    lines = [_slope(at, [1.0, -1.0], metric) for _, _, metric, at, _ in found]
    per_db = iter(holm([line.p if line else math.nan for line in lines]))
    gaps = []
    for (left, right, metric, at, tests), line in zip(found, lines, strict=True):
        adjusted = {k: Tested(metric, test, next(by_k)) for k, test in tests.items()}
        p = next(per_db)
        overall = _sum(at, [1 / len(at)] * len(at), [1.0, -1.0], metric)
        if overall:
            slope = Tested(metric, line, p) if line else None
            gaps.append(Gap(left, right, metric, adjusted, overall, slope))
    return gaps


def common(series: Sequence[StudySeries], split: str, metric: MetricKey) -> Common:
    """Return the points (of the first series) at which all series have a scored value."""
    found: Common = []
    for point in series[0].points:
        systems = [p.system for line in series for p in line.points if p.entries == point.entries]
        scores = [system.scores_of(split, metric) for system in systems]
        scored = [entry for entry in scores if entry is not None and not entry.scored.empty]
        if len(scored) == len(series):
            found.append((point, scored))
    return found


def _slope(at: Common, signs: Sequence[float], metric: MetricKey) -> Difference | None:
    errors = [point.error_db for point, _ in at]
    if len(set(errors)) < 2:
        return None
    return _sum(at, [float(weight) for weight in slope_weights(errors)], signs, metric)


def _sum(
    at: Common, weights: Sequence[float], signs: Sequence[float], metric: MetricKey
) -> Difference | None:
    terms = [
        (weight * sign, scores)
        for weight, (_, both) in zip(weights, at, strict=True)
        for sign, scores in zip(signs, both, strict=True)
    ]
    return combined(terms, metric)
