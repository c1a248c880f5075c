"""The study of domains as a long table: every score, rank and tau of the page, a row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from leaderboard.compare import estimate
from leaderboard.domains import Domain, DomainStudy
from leaderboard.domains_agreement import Agreement
from leaderboard.domains_order import Order
from leaderboard.domains_words import ranks
from leaderboard.metric_keys import MetricKey

COLUMNS = [
    "study", "quantity", "metric", "domain", "other", "system", "anchor", "value", "ci_low",
    "ci_high", "rank", "rank_low", "rank_high", "n", "n_speakers", "n_missing",
    "n_not_applicable", "methods", "same", "swapped", "tied", "verdict", "unit",
]  # fmt: skip
WHOLE = [
    "rank", "rank_low", "rank_high", "n", "n_speakers", "n_missing", "n_not_applicable",
    "methods", "same", "swapped", "tied",
]  # fmt: skip
Orders = Mapping[str, Order | None]
Pairs = Mapping[tuple[str, str], Agreement | str]


def domains_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows with the columns of `COLUMNS`; `quantity` is "score" or "tau"."""
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(WHOLE, "Int64"))


def metric_rows(
    study: DomainStudy, metric: MetricKey, orders: Orders, pairs: Pairs
) -> Iterator[dict[str, Any]]:
    """Yield one metric's rows."""
    for domain in study.domains:
        for label in (*domain.methods, *domain.anchors):
            yield from _score_row(study, domain, label, metric, orders[domain.label])
    for (left, right), found in pairs.items():
        row = {"study": study.name, "quantity": "tau", "metric": metric.name, "domain": left,
               "other": right, "unit": "tau-b"}  # fmt: skip
        if isinstance(found, str):
            yield row | {"verdict": found}
        else:
            yield row | {
                "value": found.tau, "ci_low": found.low, "ci_high": found.high,
                "methods": found.methods, "same": found.same, "swapped": found.swapped,
                "tied": found.tied, "verdict": found.verdict,
            }  # fmt: skip


def _score_row(
    study: DomainStudy, domain: Domain, label: str, metric: MetricKey, order: Order | None
) -> Iterator[dict[str, Any]]:
    scores = domain.scores(label, metric)
    if scores is None:
        return
    value = estimate(scores, metric)
    row = {
        "study": study.name, "quantity": "score", "metric": metric.name, "domain": domain.label,
        "system": label, "anchor": label in domain.anchors, "unit": metric.unit,
        "n_missing": scores.count("missing"), "n_not_applicable": scores.count("not applicable"),
        "n": value.n if value else 0, "n_speakers": value.speakers if value else 0,
    }  # fmt: skip
    if value:
        row |= {"value": value.mean, "ci_low": value.low, "ci_high": value.high}
    if order and label in order.labels:
        placed = ranks(order, label, metric.higher_is_better)
        row |= dict(zip(("rank", "rank_low", "rank_high"), placed, strict=True))
    yield row
