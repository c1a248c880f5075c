"""Pairs of systems tested over the utterances both have scored, as one family."""

from __future__ import annotations

import math
from collections.abc import Sequence

from leaderboard.compare import Tested, difference
from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import holm
from leaderboard.systems import System

Tests = tuple[Tested | None, ...]


def tested_pairs(
    pairs: Sequence[tuple[System, System]], split: str, metrics: Sequence[MetricKey]
) -> list[Tests]:
    """Test left minus right of each pair by each metric; None where no scored utterance is shared.

    p is Holm-corrected over everything that is returned.
    """
    found = [[difference(*pair, split, metric) for metric in metrics] for pair in pairs]
    adjusted = iter(holm([test.p if test else math.nan for tests in found for test in tests]))
    return [
        tuple(
            Tested(metric, test, p) if test else None
            for metric, test, p in zip(metrics, tests, [next(adjusted) for _ in tests], strict=True)
        )
        for tests in found
    ]
