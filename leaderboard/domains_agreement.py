"""How two domains' orders of methods agree: Kendall's tau-b, its interval, and a verdict.

The interval is a percentile interval over the draws of `leaderboard.domains_order`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from leaderboard.domains_order import Floats, Order
from leaderboard.statistics import LEVEL

MIN_METHODS = 3
EQUAL = 1e-12  # relative: means closer than rounding leaves them are tied


@dataclass(frozen=True)
class Agreement:
    """How two domains order the methods both have, by one metric.

    Of all pairs of methods `same` come out alike, `swapped` the other way round, `tied` equal in a
    domain. `reversed` are those (better left, better right) with evidence in both. `low` and
    `high` are NaN without an interval.
    """

    left: str
    right: str
    methods: int
    tau: float
    low: float
    high: float
    same: int
    swapped: int
    tied: int
    reversed: tuple[tuple[str, str], ...]

    @property
    def verdict(self) -> str:
        """Whether the ordering holds: "changes" needs evidence, and so does "holds"."""
        if self.reversed or self.high < 0:
            return "changes"
        return "holds" if self.low > 0 else "not enough evidence"


def agreement(left: str, right: str, a: Order | None, b: Order | None) -> Agreement | str:
    """Compare two domains' orders; where that cannot be, return why."""
    if a is None or b is None:
        lacking = [name for name, found in ((left, a), (right, b)) if found is None]
        return f"not applicable: no scores in {' and '.join(lacking)}"
    labels = [label for label in a.labels if label in b.labels]
    if len(labels) < MIN_METHODS:
        return f"too few methods: {len(labels)} in both, {MIN_METHODS} are needed"
    a, b = a.of(labels), b.of(labels)
    if not (np.isfinite(a.means).all() and np.isfinite(b.means).all()):
        return "no test: infinite values"
    signs = _signs(a.means[None])[0] * _signs(b.means[None])[0]
    tau = float(kendall(a.means[None], b.means[None])[0])
    low, high = _interval(tau, kendall(a.draws, b.draws))
    pairs = [(i, j) for i in range(len(labels)) for j in range(len(labels))]
    turned = [(i, j) for i, j in pairs if a.evidence[i, j] == 1 and b.evidence[i, j] == -1]
    return Agreement(
        left, right, len(labels), tau, low, high,
        int((signs > 0).sum()), int((signs < 0).sum()), int((signs == 0).sum()),
        tuple((labels[i], labels[j]) for i, j in turned),
    )  # fmt: skip


def kendall(x: Floats, y: Floats) -> Floats:
    """Return Kendall's tau-b (B,) of x and y (B, k); NaN where one side is all tied or undefined.

    Kendall, "The treatment of ties in ranking problems", Biometrika 33(3), 1945.
    """
    a, b = _signs(x), _signs(y)
    under = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    tau: Floats = np.divide((a * b).sum(1), under, out=np.full(len(a), np.nan), where=under > 0)
    return tau


def _signs(values: Floats) -> Floats:
    """Return the order (B, k (k - 1) / 2) of every pair of values (B, k)."""
    i, j = np.triu_indices(values.shape[1], 1)
    delta = values[:, i] - values[:, j]
    near = np.abs(delta) <= EQUAL * np.maximum(np.abs(values[:, i]), np.abs(values[:, j]))
    signs: Floats = np.where(near, 0.0, np.sign(delta))
    return signs


def _interval(tau: float, draws: Floats) -> tuple[float, float]:
    """Return percentiles of the draws, widened to hold the estimate where near ties pull them."""
    found = draws[~np.isnan(draws)]
    if not found.size or math.isnan(tau):
        return math.nan, math.nan
    low, high = np.percentile(found, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return min(float(low), tau), max(float(high), tau)
