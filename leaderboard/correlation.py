"""Rank and product-moment correlation over systems, resampling whole methods.

Systems that differ only in data size or NFE are not independent, so the percentile bootstrap
draws methods, with all their systems. A draw is a vector of multiplicities w; each coefficient is
computed from w exactly as if the systems were repeated that often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
DRAWS = 2000
MIN_CLUSTERS = 5
NAMES = ("Pearson", "Spearman", "Kendall")


@dataclass(frozen=True)
class Correlation:
    """One coefficient; `low` and `high` are NaN below `MIN_CLUSTERS` methods."""

    name: str
    value: float
    low: float
    high: float


def correlations(
    x: ArrayLike, y: ArrayLike, clusters: Sequence[str], seed: int = 0
) -> list[Correlation]:
    """Return Pearson's r, Spearman's rho and Kendall's tau-b of x, y (n,), n >= 3, all finite.

    Intervals are 95 % percentile intervals over `DRAWS` draws of clusters; draws in which a
    coefficient is undefined (one side constant) are left out. Raises ValueError on other input.
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.shape != b.shape or a.shape != (len(clusters),) or len(a) < 3:
        raise ValueError(f"{a.shape} and {b.shape} values for {len(clusters)} systems, need 3")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("correlations need finite values")
    names, codes = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=DRAWS
    )
    weights = np.vstack([np.ones(len(a)), draws[:, codes]]).astype(np.float64)
    values = (pearson(a, b, weights), spearman(a, b, weights), kendall(a, b, weights))
    return [
        _with_interval(name, value, len(names)) for name, value in zip(NAMES, values, strict=True)
    ]


def pearson(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Return Pearson's r (B,) of x, y (B, n) or (n,) under multiplicities (B, n)."""
    total = weights.sum(1, keepdims=True)
    dx = x - (weights * x).sum(1, keepdims=True) / total
    dy = y - (weights * y).sum(1, keepdims=True) / total
    return _ratio((weights * dx * dy).sum(1), (weights * dx**2).sum(1) * (weights * dy**2).sum(1))


def spearman(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Return Spearman's rho (B,): Pearson's r of mid-ranks."""
    return pearson(_ranks(x, weights), _ranks(y, weights), weights)


def kendall(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Return Kendall's tau-b (B,)."""
    sx, sy = (np.sign(v[:, None] - v[None, :]) for v in (x, y))
    over, left, right = (((weights @ pairs) * weights).sum(1) for pairs in (sx * sy, sx**2, sy**2))
    return _ratio(over, left * right)


def _ranks(x: Floats, weights: Floats) -> Floats:
    below = (x[None, :] < x[:, None]).astype(np.float64)
    equal = (x[None, :] == x[:, None]).astype(np.float64)
    ranks: Floats = weights @ below.T + (weights @ equal.T + 1) / 2
    return ranks


def _ratio(over: Floats, under_squared: Floats) -> Floats:
    # Rounding leaves a constant sample with a variance near, not at, zero.
    defined = under_squared > 1e-24
    values = np.full(over.shape, np.nan)
    values[defined] = over[defined] / np.sqrt(under_squared[defined])
    clipped: Floats = np.clip(values, -1.0, 1.0)
    return clipped


def _with_interval(name: str, values: Floats, clusters: int) -> Correlation:
    draws = values[1:][~np.isnan(values[1:])]
    if clusters < MIN_CLUSTERS or not draws.size or np.isnan(values[0]):
        return Correlation(name, float(values[0]), float("nan"), float("nan"))
    low, high = np.percentile(draws, [2.5, 97.5])
    return Correlation(name, float(values[0]), float(low), float(high))
