"""Means, ratios and paired differences with intervals clustered by speaker.

Every estimate is treated through its influence values u_i (their sum is 0): u_i = x_i - mean for a
mean, u_i = (e_i - R w_i) / mean(w) for a ratio R = sum(e) / sum(w) (the delta method). With G
speakers the variance of the estimate is

    G / (G - 1) * sum_g (sum_{i in g} u_i)^2 / n^2

and the interval is Student's t with G - 1 degrees of freedom (the cluster-robust "CR1" form, e.g.
Cameron and Miller, "A Practitioner's Guide to Cluster-Robust Inference", J. Human Resources 50(2),
2015, section VI). For speakers with equally many utterances this is the t-test over speaker means.
With one speaker every utterance is its own cluster, and the interval is conditional on that voice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean or ratio over `n` utterances of `speakers` speakers, with its 95 % interval.

    `low` and `high` are NaN where no interval exists: one cluster, or infinite values. With
    infinite values `mean` is infinite too, and `finite_mean` is the mean of the other values.
    """

    mean: float
    low: float
    high: float
    n: int
    speakers: int
    infinite: int = 0
    finite_mean: float = float("nan")

    @property
    def conditional(self) -> bool:
        """Whether the interval speaks of one voice only."""
        return self.speakers == 1


@dataclass(frozen=True)
class Difference:
    """A paired difference, its 95 % interval and two-sided p; NaN where undefined."""

    mean: float
    low: float
    high: float
    p: float
    n: int
    speakers: int
    infinite: int = 0

    @property
    def conditional(self) -> bool:
        """Whether the interval speaks of one voice only."""
        return self.speakers == 1


def mean_estimate(values: ArrayLike, speakers: Sequence[str]) -> Estimate:
    """Estimate the mean of values (n,), one speaker name each.

    Raises ValueError for no values, NaN, or lengths that differ.
    """
    x = _checked(values, len(speakers))
    infinite = int(np.isinf(x).sum())
    voices = len(set(speakers))
    if infinite:
        rest = x[np.isfinite(x)]
        mean = float("inf") if (x > -np.inf).all() else float("-inf")
        finite = float(rest.mean()) if rest.size else float("nan")
        return Estimate(mean, float("nan"), float("nan"), len(x), voices, infinite, finite)
    mean = float(x.mean())
    low, high, _ = _interval(mean, x - mean, speakers)
    return Estimate(mean, low, high, len(x), voices, 0, mean)


def ratio_estimate(errors: ArrayLike, words: ArrayLike, speakers: Sequence[str]) -> Estimate:
    """Estimate total errors over total words, (n,) each, with the delta method's interval.

    Raises ValueError for no values, NaN, infinite counts, differing lengths, or no words at all.
    """
    e, w = _counts(errors, words, len(speakers))
    ratio = float(e.sum() / w.sum())
    low, high, _ = _interval(ratio, _ratio_influence(e, w), speakers)
    return Estimate(ratio, low, high, len(e), len(set(speakers)), 0, ratio)


def mean_difference(left: ArrayLike, right: ArrayLike, speakers: Sequence[str]) -> Difference:
    """Test mean(left) - mean(right) over the same utterances, in the same order.

    An infinite value on one side makes the difference infinite, without interval or p; equal
    infinities on both sides are left out, since their difference is undefined.
    """
    x, y = _checked(left, len(speakers)), _checked(right, len(speakers))
    keep = ~(np.isinf(x) & (x == y))
    infinite = int(len(x) - keep.sum())
    delta = x[keep] - y[keep]
    clusters = [name for name, kept in zip(speakers, keep, strict=True) if kept]
    infinite += int(np.isinf(delta).sum())
    if infinite:
        mean = float(delta.mean()) if delta.size else float("nan")
        nan = float("nan")
        return Difference(mean, nan, nan, nan, len(delta), len(set(clusters)), infinite)
    return _difference(float(delta.mean()), delta - delta.mean(), clusters)


def ratio_difference(
    left: tuple[ArrayLike, ArrayLike], right: tuple[ArrayLike, ArrayLike], speakers: Sequence[str]
) -> Difference:
    """Test the difference of two ratios, (errors, words) each, over the same utterances."""
    (e, w), (f, v) = (_counts(*side, len(speakers)) for side in (left, right))
    delta = float(e.sum() / w.sum() - f.sum() / v.sum())
    return _difference(delta, _ratio_influence(e, w) - _ratio_influence(f, v), speakers)


def combined_means(
    columns: Sequence[ArrayLike], weights: ArrayLike, speakers: Sequence[str]
) -> Difference:
    """Test sum_j weights_j mean(columns_j) over the same utterances, in the same order.

    A linear contrast is the mean of one number per utterance, so it is paired by construction:
    with `slope_weights` that number is the utterance's least-squares slope. Infinite values leave
    no estimate.
    """
    table = np.stack([_checked(column, len(speakers)) for column in columns])
    if np.isinf(table).any():
        nan = float("nan")
        infinite = int(np.isinf(table).any(0).sum())
        return Difference(nan, nan, nan, nan, len(speakers), len(set(speakers)), infinite)
    values = _contrast(np.asarray(weights, dtype=np.float64), table)
    return _difference(float(values.mean()), values - values.mean(), speakers)


def combined_ratios(
    columns: Sequence[tuple[ArrayLike, ArrayLike]], weights: ArrayLike, speakers: Sequence[str]
) -> Difference:
    """Test sum_j weights_j R_j of ratios (errors, words) over the same utterances."""
    counts = [_counts(e, w, len(speakers)) for e, w in columns]
    c = np.asarray(weights, dtype=np.float64)
    ratios = np.asarray([e.sum() / w.sum() for e, w in counts])
    influence = _contrast(c, np.stack([_ratio_influence(e, w) for e, w in counts]))
    return _difference(float(_contrast(c, ratios)), influence, speakers)


def _contrast(weights: Floats, rows: Floats) -> Floats:
    """Return the weighted sum of rows (J, ...), exactly 0 where a contrast's rows are all equal.

    Rounding would leave 1e-17 there, in every utterance alike, and a test would find it certain.
    """
    if abs(weights.sum()) < 1e-9 * np.abs(weights).sum():
        rows = rows - rows[0]
    found: Floats = weights @ rows
    return found


def slope_weights(x: ArrayLike) -> Floats:
    """Return the weights (J,) that turn y (J,) at x into its least-squares slope over x.

    Raises ValueError unless x holds two different finite values.
    """
    at = np.asarray(x, dtype=np.float64)
    centred: Floats = at - at.mean()
    if not np.isfinite(at).all() or not (centred**2).sum() > 0:
        raise ValueError(f"no slope over {at.tolist()}; it needs two different finite values")
    weights: Floats = centred / (centred**2).sum()
    return weights


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values by Holm's step-down method (Scand. J. Statist. 6(2), 1979).

    NaN (no test was possible) stays NaN and does not count as a test.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(value) for value in adjusted]


def _difference(mean: float, influence: Floats, speakers: Sequence[str]) -> Difference:
    low, high, p = _interval(mean, influence, speakers)
    return Difference(mean, low, high, p, len(influence), len(set(speakers)))


def _interval(
    mean: float, influence: Floats, speakers: Sequence[str]
) -> tuple[float, float, float]:
    """Return low, high and the two-sided p of mean = 0."""
    sums = _cluster_sums(influence, speakers)
    clusters = len(sums)
    if clusters < 2:
        return float("nan"), float("nan"), float("nan")
    error = float(np.sqrt(clusters / (clusters - 1) * (sums**2).sum())) / len(influence)
    half = error * float(stats.t.ppf((1 + LEVEL) / 2, clusters - 1))
    if error == 0:
        return mean, mean, 1.0 if mean == 0 else 0.0
    return mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, clusters - 1))


def _cluster_sums(influence: Floats, speakers: Sequence[str]) -> Floats:
    names, codes = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    if len(names) == 1:
        return influence
    return np.bincount(codes, weights=influence, minlength=len(names)).astype(np.float64)


def _ratio_influence(errors: Floats, words: Floats) -> Floats:
    influence: Floats = (errors - errors.sum() / words.sum() * words) / words.mean()
    return influence


def _counts(errors: ArrayLike, words: ArrayLike, n: int) -> tuple[Floats, Floats]:
    e, w = _checked(errors, n), _checked(words, n)
    if np.isinf(e).any() or np.isinf(w).any() or w.sum() <= 0:
        raise ValueError("errors and words must be finite, with at least one word in all")
    return e, w


def _checked(values: ArrayLike, n: int) -> Floats:
    x = np.asarray(values, dtype=np.float64)
    if x.shape != (n,) or n == 0:
        raise ValueError(f"{x.shape} values for {n} utterances")
    if np.isnan(x).any():
        raise ValueError("NaN is not a score; a missing value has a status")
    return x
