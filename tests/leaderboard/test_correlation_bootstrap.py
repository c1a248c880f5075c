"""Correlations against scipy, with multiplicities, ties and few clusters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from leaderboard.correlation import correlations, kendall, pearson, spearman

RNG = np.random.default_rng(3)


def _scipy(x: np.ndarray, y: np.ndarray) -> list[float]:
    return [
        stats.pearsonr(x, y).statistic,
        stats.spearmanr(x, y).statistic,
        stats.kendalltau(x, y).statistic,
    ]


def test_coefficients_are_scipys() -> None:
    x = RNG.normal(size=25)
    y = x + RNG.normal(size=25)
    found = correlations(x, y, [f"m{i % 7}" for i in range(25)])
    assert [c.value for c in found] == pytest.approx(_scipy(x, y))
    assert all(c.low < c.value < c.high for c in found)


def test_a_multiplicity_is_a_repetition_ties_included() -> None:
    x = np.round(RNG.normal(size=12), 1)
    y = np.round(x + RNG.normal(size=12), 1)
    times = RNG.integers(0, 4, 12)
    found = [f(x, y, times[None, :].astype(float))[0] for f in (pearson, spearman, kendall)]
    assert found == pytest.approx(_scipy(np.repeat(x, times), np.repeat(y, times)))


def test_interval_covers_the_correlation_of_independent_systems() -> None:
    truth, trials, hits = 0.6, 150, 0
    for trial in range(trials):
        x, y = RNG.multivariate_normal([0, 0], [[1, truth], [truth, 1]], size=60).T
        found = correlations(x, y, [str(i) for i in range(60)], seed=trial)[0]
        hits += found.low <= truth <= found.high
    assert hits / trials > 0.88


def test_clusters_widen_the_interval() -> None:
    middle = RNG.normal(size=(6, 2))
    x, y = (np.repeat(middle[:, k], 10) + 0.01 * RNG.normal(size=60) for k in (0, 1))
    together = correlations(x, y, [f"m{i // 10}" for i in range(60)])[0]
    apart = correlations(x, y, [str(i) for i in range(60)])[0]
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_few_methods_get_no_interval_and_a_constant_no_value() -> None:
    x = np.arange(8.0)
    assert math.isnan(correlations(x, x**2, ["a", "b"] * 4)[0].low)
    assert math.isnan(correlations(x, np.ones(8), list("abcdefgh"))[0].value)


@pytest.mark.parametrize("x", [[1.0, 2.0], [1.0, 2.0, math.inf]])
def test_bad_input_is_refused(x: list[float]) -> None:
    with pytest.raises(ValueError):
        correlations(x, x, ["a"] * len(x))
