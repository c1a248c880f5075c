"""The order of methods in a domain, by one metric, and draws of it.

Orders are of the methods' means over the utterances that all of them have scored. Draws are a
bootstrap: speakers are drawn with replacement within each domain (with one speaker utterances are,
conditional on that voice), and each draw's deviation is scaled by sqrt(G / chi2(G - 1)), so that a
single mean's interval is that of `leaderboard.statistics`: t with G - 1 degrees of freedom for G
speakers. Domains are drawn independently, unless they are of the same utterances (speech and the
same speech over the telephone): those share their draws.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from leaderboard.compare import ALPHA, paired, side_of_zero
from leaderboard.domains import Domain
from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import holm
from leaderboard.systems import Scores

Floats = NDArray[np.float64]
DRAWS = 2000


@dataclass(frozen=True)
class Order:
    """The methods of one domain by one metric.

    `means` are (k,) over shared utterances, `draws` (B, k) of them (NaN where there is no
    interval). `evidence[i, j]` is 1 where method i is better than j: its interval lies beyond 0
    and p, Holm-corrected over all pairs of methods, is below 0.05; -1 where it is worse, else 0.
    """

    labels: tuple[str, ...]
    means: Floats
    draws: Floats
    evidence: NDArray[np.int64]

    def of(self, labels: Sequence[str]) -> Order:
        """Return the order of some of the methods alone; their evidence stays that of all."""
        at = [self.labels.index(label) for label in labels]
        return Order(
            tuple(labels), self.means[at], self.draws[:, at], self.evidence[np.ix_(at, at)]
        )


def order(domain: Domain, metric: MetricKey) -> Order | None:
    """Return the order of a domain's methods, or None where fewer than two have scores."""
    found = {label: domain.scores(label, metric) for label in domain.methods}
    scored = {label: s for label, s in found.items() if s is not None and not s.scored.empty}
    if len(scored) < 2:
        return None
    shared = reduce(
        lambda left, right: left.intersection(right), (s.scored.index for s in scored.values())
    )
    if shared.empty:
        return None
    names = [str(name) for name in shared.sort_values()]
    over, under = _columns(list(scored.values()), names, metric)
    draws = _draws(domain, names, over, under)
    means = over.sum(0) / under.sum(0)
    return Order(tuple(scored), means, draws, _evidence(list(scored.values()), metric))


def _columns(
    scores: Sequence[Scores], names: Sequence[str], metric: MetricKey
) -> tuple[Floats, Floats]:
    """Return what a mean divides, (n, k) each: errors and words, or values and ones."""
    tables = [one.scored.loc[list(names)] for one in scores]
    columns = ("errors", "words") if metric.ratio else ("value",)
    read = [np.stack([t[c].to_numpy(dtype=np.float64) for t in tables], axis=1) for c in columns]
    return read[0], read[1] if metric.ratio else np.ones_like(read[0])


def _draws(domain: Domain, names: Sequence[str], over: Floats, under: Floats) -> Floats:
    """Return means (B, k) of draws of speakers, about the estimate, scaled to t's width."""
    clusters = cluster_names(domain)
    own = np.unique([clusters[name] for name in names])
    means = over.sum(0) / under.sum(0)
    if len(own) < 2 or not np.isfinite(over).all():
        return np.full((DRAWS, over.shape[1]), np.nan)
    every = sorted(set(clusters.values()))
    # The seed is the speakers' and utterances' names, so the same ones are drawn alike.
    text = "\n".join(sorted(f"{bare(domain, u.id)}\t{cluster}" for u, cluster in
                            zip(domain.utterances, clusters.values(), strict=True)))  # fmt: skip
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    random = np.random.default_rng([seed, 0])
    counts = random.multinomial(len(every), np.full(len(every), 1 / len(every)), size=DRAWS)
    weights = counts[:, np.searchsorted(every, [clusters[name] for name in names])]
    total = weights.astype(np.float64) @ under
    drawn = np.full(total.shape, np.nan)
    np.divide(weights @ over, total, out=drawn, where=total > 0)
    chi = np.random.default_rng([seed, 1]).chisquare(len(own) - 1, size=DRAWS)
    scaled: Floats = means + (drawn - means) * np.sqrt(len(own) / chi)[:, None]
    return scaled


def cluster_names(domain: Domain) -> dict[str, str]:
    """Return each utterance's cluster: its speaker, or with one speaker itself."""
    one = domain.speakers == 1
    return {u.id: bare(domain, u.id if one else u.speaker) for u in domain.utterances}


def bare(domain: Domain, name: str) -> str:
    """Return a name without its part of a joined corpus, which begins the split's name too."""
    part, slash, _ = domain.record.split.rpartition("/")
    return name.removeprefix(part + slash)


def _evidence(scores: Sequence[Scores], metric: MetricKey) -> NDArray[np.int64]:
    pairs = list(combinations(range(len(scores)), 2))
    tests = [paired(scores[i], scores[j], metric) for i, j in pairs]
    adjusted = holm([test.p if test else math.nan for test in tests])
    found = np.zeros((len(scores), len(scores)), dtype=np.int64)
    for (i, j), test, p in zip(pairs, tests, adjusted, strict=True):
        if test and p < ALPHA:
            found[i, j] = side_of_zero(test, metric)
            found[j, i] = -found[i, j]
    return found
