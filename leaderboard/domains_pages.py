"""The domains page: every system in every domain, and whether the ordering of methods holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from leaderboard.board import Board
from leaderboard.cells import Cell, number, score_cell
from leaderboard.compare import estimate
from leaderboard.domains import Domain, DomainStudy, domain_studies
from leaderboard.domains_agreement import Agreement, agreement
from leaderboard.domains_order import order
from leaderboard.domains_table import Orders, Pairs, domains_table, metric_rows
from leaderboard.domains_words import interval_text, rank_text, sentence, summary
from leaderboard.metric_keys import MetricKey
from leaderboard.slugs import slug


@dataclass(frozen=True)
class DomainRow:
    """One system: its page, and for each domain a cell, with lines on rank and coverage."""

    label: str
    page: str
    anchor: bool
    cells: tuple[tuple[Cell, tuple[str, ...]], ...]


@dataclass(frozen=True)
class PairRow:
    """Two domains: tau, its interval, the verdict and the sentence that says it."""

    left: str
    right: str
    tau: str
    interval: str
    verdict: str
    sentence: str


@dataclass(frozen=True)
class DomainSection:
    """One metric of a study."""

    metric: MetricKey
    anchor_id: str
    rows: tuple[DomainRow, ...]
    pairs: tuple[PairRow, ...]
    summary: str


@dataclass(frozen=True)
class StudyPart:
    """One study with a section per metric; `methods` are the most that any tau is of."""

    study: DomainStudy
    anchor_id: str
    sections: tuple[DomainSection, ...]
    methods: int

    @property
    def step(self) -> float:
        """By how much one swapped pair of methods moves tau."""
        return 4 / (self.methods * (self.methods - 1)) if self.methods > 1 else 2.0


@dataclass(frozen=True)
class DomainsPage:
    """Everything the page shows; `table` is published beside it."""

    parts: tuple[StudyPart, ...]
    table: pd.DataFrame


def domains_page(board: Board) -> DomainsPage | None:
    """Return the page, or None where no run is part of a study of domains."""
    studies = domain_studies(board)
    if not studies:
        return None
    rows: list[dict[str, Any]] = []
    parts = [_part(board, study, rows) for study in studies]
    return DomainsPage(tuple(parts), domains_table(rows))


def _part(board: Board, study: DomainStudy, table: list[dict[str, Any]]) -> StudyPart:
    sections, most = [], 0
    for metric in board.metrics:
        if not any(_scored(domain, metric) for domain in study.domains):
            continue
        orders = {domain.label: order(domain, metric) for domain in study.domains}
        pairs = {
            (a.label, b.label): agreement(a.label, b.label, orders[a.label], orders[b.label])
            for a, b in combinations(study.domains, 2)
        }
        table += metric_rows(study, metric, orders, pairs)
        most = max(most, *(p.methods for p in pairs.values() if isinstance(p, Agreement)), 0)
        sections.append(_section(study, metric, orders, pairs))
    return StudyPart(study, slug(study.name), tuple(sections), most)


def _scored(domain: Domain, metric: MetricKey) -> bool:
    return any(domain.scores(label, metric) for label in (*domain.methods, *domain.anchors))


def _section(study: DomainStudy, metric: MetricKey, orders: Orders, pairs: Pairs) -> DomainSection:
    return DomainSection(
        metric,
        f"{slug(study.name)}-{slug(metric.name)}",
        (
            *(_row(study.domains, label, metric, orders) for label in study.methods),
            *(_row(study.domains, label, metric, orders) for label in study.anchors),
        ),
        tuple(_pair(left, right, found) for (left, right), found in pairs.items()),
        summary(metric.label, list(pairs.values())),
    )


def _row(domains: Sequence[Domain], label: str, metric: MetricKey, orders: Orders) -> DomainRow:
    cells = []
    for domain in domains:
        scores = domain.scores(label, metric)
        value = estimate(scores, metric) if scores else None
        lines = [rank_text(orders[domain.label], label, metric.higher_is_better)]
        if value and value.n < len(domain.utterances):
            lines.append(f"n = {value.n} of {len(domain.utterances)}")
        cells.append((score_cell(scores, metric, value), tuple(line for line in lines if line)))
    systems = [s for d in domains for s in (d.methods | d.anchors).get(label, [])]
    page = f"systems/{systems[0].slug}.html"
    return DomainRow(label, page, systems[0].anchor, tuple(cells))


def _pair(left: str, right: str, found: Agreement | str) -> PairRow:
    if isinstance(found, str):
        return PairRow(left, right, "", "", "no test", f"{found[0].upper()}{found[1:]}.")
    tau = number(found.tau, 2, sign=True)
    return PairRow(left, right, tau, interval_text(found), found.verdict, sentence(found))
