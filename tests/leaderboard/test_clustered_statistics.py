"""Estimates and tests against scipy, against algebra, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from leaderboard.statistics import (
    combined_means,
    combined_ratios,
    holm,
    mean_difference,
    mean_estimate,
    ratio_difference,
    ratio_estimate,
    slope_weights,
)

RNG = np.random.default_rng(11)


def test_one_speaker_is_the_t_interval_over_utterances_and_says_so() -> None:
    values = RNG.normal(2.0, 1.0, 40)
    found = mean_estimate(values, ["a"] * 40)
    low, high = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert found.conditional
    assert (found.low, found.high) == pytest.approx((low, high))


def test_equal_speakers_are_the_t_interval_over_speaker_means() -> None:
    values = RNG.normal(0.0, 1.0, (6, 5)) + RNG.normal(0.0, 1.0, (6, 1))
    speakers = [f"s{g}" for g in range(6) for _ in range(5)]
    found = mean_estimate(values.ravel(), speakers)
    means = values.mean(1)
    low, high = stats.t.interval(0.95, 5, means.mean(), stats.sem(means))
    assert not found.conditional
    assert (found.low, found.high, found.speakers) == pytest.approx((low, high, 6))


@pytest.mark.parametrize("speakers", [1, 5])
def test_paired_difference_is_scipys_paired_t_test(speakers: int) -> None:
    a = RNG.normal(0.1, 1.0, (speakers, 20 // speakers))
    b = RNG.normal(0.0, 1.0, a.shape)
    names = [f"s{g}" for g in range(speakers) for _ in range(a.shape[1])]
    found = mean_difference(a.ravel(), b.ravel(), names)
    sides = (a.ravel(), b.ravel()) if speakers == 1 else (a.mean(1), b.mean(1))
    expected = stats.ttest_rel(*sides)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(("speakers", "each"), [(12, 8), (40, 3)])
def test_clustered_intervals_cover_the_mean(speakers: int, each: int) -> None:
    names = [f"s{g}" for g in range(speakers) for _ in range(each)]
    trials = 2000
    hits = naive = 0
    for _ in range(trials):
        values = RNG.normal(0, 1, (speakers, 1)) + RNG.normal(0, 1, (speakers, each))
        found = mean_estimate(values.ravel(), names)
        hits += found.low <= 0 <= found.high
        alone = mean_estimate(values.ravel(), ["one"] * values.size)
        naive += alone.low <= 0 <= alone.high
    assert 0.93 <= hits / trials <= 0.97
    assert naive / trials < 0.9  # utterances are not independent: ignoring that is too narrow


def test_ratio_interval_covers_and_is_total_errors_over_total_words() -> None:
    speakers, each, trials, truth = 20, 6, 1500, 0.2
    names = [f"s{g}" for g in range(speakers) for _ in range(each)]
    hits = 0
    for _ in range(trials):
        words = RNG.integers(3, 20, speakers * each)
        rate = np.repeat(RNG.beta(8, 32, speakers), each)
        errors = RNG.binomial(words, rate)
        found = ratio_estimate(errors, words, names)
        hits += found.low <= truth <= found.high
    assert found.mean == errors.sum() / words.sum()
    assert 0.93 <= hits / trials <= 0.97


def test_ratio_with_equal_words_is_the_mean_of_rates() -> None:
    errors, other = RNG.integers(0, 10, 30), RNG.integers(0, 10, 30)
    words = np.full(30, 10)
    names = [f"s{i % 4}" for i in range(30)]
    rates, mean = ratio_estimate(errors, words, names), mean_estimate(errors / 10, names)
    assert (rates.low, rates.high) == pytest.approx((mean.low, mean.high))
    left = ratio_difference((errors, words), (other, words), names)
    right = mean_difference(errors / 10, other / 10, names)
    assert (left.mean, left.low, left.p) == pytest.approx((right.mean, right.low, right.p))


def test_infinite_values_are_counted_and_never_averaged() -> None:
    found = mean_estimate([1.0, math.inf, 3.0], ["a"] * 3)
    assert found.mean == math.inf
    assert (found.infinite, found.finite_mean, found.n) == (1, 2.0, 3)
    assert math.isnan(found.low)
    test = mean_difference([math.inf, 2.0], [1.0, 1.0], ["a"] * 2)
    assert test.mean == math.inf
    assert test.infinite == 1
    assert math.isnan(test.p)


def test_one_utterance_has_no_interval() -> None:
    assert math.isnan(mean_estimate([1.0], ["a"]).low)


def test_identical_systems_do_not_differ() -> None:
    assert mean_difference([1.0, 2.0], [1.0, 2.0], ["a", "a"]).p == 1.0


@pytest.mark.parametrize("values", [[], [math.nan, 1.0], [1.0, 2.0, 3.0]])
def test_bad_values_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError):
        mean_estimate(values, ["a", "b"])
    with pytest.raises(ValueError):
        ratio_estimate([1.0, 1.0], [0.0, 0.0], ["a", "b"])


def test_holm_by_hand_with_an_untested_one() -> None:
    adjusted = holm([0.01, math.nan, 0.04, 0.03])
    assert adjusted[0] == pytest.approx(0.03)
    assert math.isnan(adjusted[1])
    assert adjusted[2:] == pytest.approx([0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_equal_columns_have_no_slope_at_all() -> None:
    values = np.random.default_rng(0).normal(0.7, 0.05, 30)
    weights = slope_weights([-13.13, -13.86, -14.54, -15.17, -15.69])
    slope = combined_means([values] * 5, weights, ["voice"] * 30)
    assert (slope.mean, slope.low, slope.high, slope.p) == (0.0, 0.0, 0.0, 1.0)
    words = np.full(30, 9.0)
    ratio = combined_ratios([(values, words)] * 5, weights, ["voice"] * 30)
    assert (ratio.mean, ratio.p) == (0.0, 1.0)
