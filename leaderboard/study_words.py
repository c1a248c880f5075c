"""What the study's tests show, in words: never more than their intervals and corrections say."""

from __future__ import annotations

import math
from collections.abc import Sequence

from leaderboard.cells import decimals, number
from leaderboard.compare import ALPHA, Tested, side_of_zero
from leaderboard.statistics import Difference
from leaderboard.study_contrasts import Gap


def reading(gap: Gap) -> str:
    """Say where one series is ahead of the other by one metric, and how that changes per dB."""
    return f"{gap.metric.label}: {_by_k(gap)} {_by_error(gap)}"


def _by_k(gap: Gap) -> str:
    tests = gap.tests.values()
    shown = [_shown(test) for test in tests]
    better, worse = shown.count(1), shown.count(-1)
    ahead = f"{gap.left.label} is better than {gap.right.label} at {better} of {len(shown)} K"
    return f"{ahead} and worse at {worse}; at {len(shown) - better - worse} no difference is shown."


def _shown(test: Tested) -> int:
    """Return which side is better after correction: 1 the left, -1 the right, 0 neither."""
    return test.gain if test.p_holm < ALPHA else 0


def _by_error(gap: Gap) -> str:
    test = gap.slope
    if test is None:
        return "With a single quantization error there is no slope."
    if math.isnan(test.difference.low):
        return "No interval exists for the slope of the gap."
    size = interval(test.difference, decimals(gap.metric) + 1, 1, signed=True)
    if test.gain == 0:
        return f"That the gap changes with quantization error is not shown: {size} per dB."
    caution = "" if test.p_holm < ALPHA else " (before correction only)"
    leader = side_of_zero(gap.overall, gap.metric)
    sides = (gap.left.label, gap.right.label)
    gainer, other = sides if test.gain > 0 else sides[::-1]
    sign = -1 if test.difference.mean < 0 else 1
    size = interval(test.difference, decimals(gap.metric) + 1, sign)
    if leader == 0:
        return f"With each dB more quantization error {gainer} gains {size} on {other}{caution}."
    ahead = gap.left.label if leader > 0 else gap.right.label
    change = "grows" if leader == test.gain else "shrinks"
    return (
        f"The gap, on average over K in favour of {ahead}, {change} by {size} per dB more "
        f"quantization error{caution}."
    )


def interval(difference: Difference, digits: int, sign: int, signed: bool = False) -> str:
    """Write a difference times `sign` with its interval."""
    ends: Sequence[float] = sorted((sign * difference.low, sign * difference.high))
    low, high = (number(end, digits, sign=signed) for end in ends)
    return f"{number(sign * difference.mean, digits, sign=signed)} [{low}, {high}]"
