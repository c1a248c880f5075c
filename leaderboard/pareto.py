"""Pareto fronts: systems no other beats in content and quality at once, and what is shown of it.

The front is of point estimates. Each system off it is held, utterance by utterance, against one
system on the front that dominates it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from leaderboard.board import Board
from leaderboard.compare import ALPHA, Tested, estimate
from leaderboard.metric_keys import MetricKey
from leaderboard.pairwise import tested_pairs
from leaderboard.selection import full_size
from leaderboard.statistics import Estimate
from leaderboard.systems import System

Axes = tuple[MetricKey, MetricKey]
CONTENT = ("wer", "dwer")
QUALITY = ("speaker_similarity", "dnsmos", "visqol")


@dataclass(frozen=True)
class Point:
    """A system with its estimates on both axes."""

    system: System
    x: Estimate
    y: Estimate


@dataclass(frozen=True)
class Versus:
    """One system minus another on both axes; None where they share no scored utterance."""

    left: System
    right: System
    x: Tested | None
    y: Tested | None

    @property
    def dominance(self) -> str:
        """Which part of "the left is better in both" is shown, after correction."""
        shown = [test.metric.label for test in (self.x, self.y) if test and _better(test)]
        if self.both_shown:
            return "shown in both"
        return f"shown in {shown[0]} alone" if shown else "not shown"

    @property
    def both_shown(self) -> bool:
        """Whether the left is shown to be better on both axes, after correction."""
        return all(test is not None and _better(test) for test in (self.x, self.y))


@dataclass(frozen=True)
class Front:
    """All points on one pair of axes: the front, best x first, the others, and their tests.

    `dominated` holds each system off the front against one on it; `along` each system of the front
    against the next. The tests of each list are one Holm family. `left_out` systems have no finite
    estimate on both axes.
    """

    axes: Axes
    front: tuple[Point, ...]
    dominated: tuple[tuple[Point, Versus], ...]
    along: tuple[Versus, ...]
    left_out: tuple[System, ...]


def axis_pairs(metrics: Sequence[MetricKey]) -> list[Axes]:
    """Return each content metric with each quality metric of a split, the first of each first."""
    content, quality = (
        [metric for name in names for metric in metrics if metric.name.partition("@")[0] == name]
        for names in (CONTENT, QUALITY)
    )
    return [(x, y) for x in content for y in quality]


def competitors(board: Board, split: str, codec: str) -> list[System]:
    """Return the trained systems of a codec at their most hours, decoding all N layers."""
    here = [s for s in board.trained if split in s.evaluations and s.codec == codec]
    return full_size([system for system in here if not system.partial])


def point(system: System, split: str, axes: Axes) -> Point | None:
    """Return a system's point, or None without a finite estimate on both axes."""
    found = []
    for metric in axes:
        scores = system.scores_of(split, metric)
        value = estimate(scores, metric) if scores else None
        if value is None or not math.isfinite(value.mean):
            return None
        found.append(value)
    return Point(system, *found)


def pareto(systems: Sequence[System], split: str, axes: Axes) -> Front:
    """Return the front of the systems, and the tests that say what of it is shown."""
    placed = [(system, point(system, split, axes)) for system in systems]
    points = [found for _, found in placed if found]
    front = non_dominated(points, axes)
    names = {entry.system.slug for entry in front}
    others = [entry for entry in points if entry.system.slug not in names]
    pairs = [(dominator(entry, front, points, axes).system, entry.system) for entry in others]
    neighbours = [(a.system, b.system) for a, b in pairwise(front)]
    return Front(
        axes,
        tuple(front),
        tuple(zip(others, _versus(pairs, split, axes), strict=True)),
        tuple(_versus(neighbours, split, axes)),
        tuple(system for system, found in placed if found is None),
    )


def non_dominated(points: Sequence[Point], axes: Axes) -> list[Point]:
    """Return the points that no other equals or beats on both axes and beats on one, best x first.

    Equal points are on the front together.
    """
    front: list[Point] = []
    for entry in sorted(points, key=lambda p: (*_costs(p, axes), p.system.slug)):
        last = front[-1] if front else None
        tied = last and _costs(entry, axes) == _costs(last, axes)
        if last is None or tied or _costs(entry, axes)[1] < _costs(last, axes)[1]:
            front.append(entry)
    return front


def dominator(entry: Point, front: Sequence[Point], points: Sequence[Point], axes: Axes) -> Point:
    """Return the dominating front point that leads by most on the axis where it leads least.

    Leads are in units of the range of all points. Every point off the front has one.
    """
    costs = [_costs(p, axes) for p in points]
    spans = [max(axis) - min(axis) or 1.0 for axis in zip(*costs, strict=True)]
    own = _costs(entry, axes)

    def least_lead(other: Point) -> float:
        theirs = _costs(other, axes)
        return min((own[i] - theirs[i]) / spans[i] for i in range(2))

    return max(front, key=lambda other: (least_lead(other), other.system.slug))


def _costs(entry: Point, axes: Axes) -> tuple[float, float]:
    """Return both coordinates with the sign that makes lower better."""
    x, y = (-1 if metric.higher_is_better else 1 for metric in axes)
    return x * entry.x.mean, y * entry.y.mean


def _versus(pairs: Sequence[tuple[System, System]], split: str, axes: Axes) -> list[Versus]:
    tests = tested_pairs(pairs, split, axes)
    return [Versus(*pair, *both) for pair, both in zip(pairs, tests, strict=True)]


def _better(test: Tested) -> bool:
    return test.gain > 0 and test.p_holm < ALPHA
