"""The study of domains, as far as runs have recorded it: which systems stand in which domain.

A method is one trained system of each seed, on the most data, at the NFE its run's validation
split chose; its seeds are pooled utterance by utterance (`leaderboard.findings.pool`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.records import EvaluatedUtterance, EvaluationRecord, RunRecord
from harness.studies.domain_records import KEY, AbsentDomain, DomainRecord, DomainsRecord
from leaderboard.board import Board
from leaderboard.findings import pool
from leaderboard.metric_keys import MetricKey
from leaderboard.selection import choose, full_size
from leaderboard.systems import Scores, System


@dataclass(frozen=True)
class Domain:
    """A domain: what was said of it, its utterances, and its systems by label, one per seed."""

    record: DomainRecord
    utterances: tuple[EvaluatedUtterance, ...]
    methods: dict[str, list[System]]
    anchors: dict[str, list[System]]
    split_keys: dict[str, str]
    cache: dict[tuple[str, str], Scores | None] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What pages call it."""
        return self.record.label

    @property
    def speakers(self) -> int:
        """How many speakers its utterances are of."""
        return len({utterance.speaker for utterance in self.utterances})

    @property
    def languages(self) -> list[str]:
        """The languages spoken in it."""
        return sorted({utterance.language for utterance in self.utterances})

    def scores(self, label: str, metric: MetricKey) -> Scores | None:
        """Return a system's scores in this domain, pooled over its seeds; None if not run."""
        key = (label, metric.name)
        if key not in self.cache:
            self.cache[key] = self._scores(label, metric)
        return self.cache[key]

    def _scores(self, label: str, metric: MetricKey) -> Scores | None:
        systems = (self.methods | self.anchors).get(label, [])
        own = {utterance.id for utterance in self.utterances}
        found = [s.scores_of(self.split_keys[s.slug], metric) for s in systems]
        there = [
            Scores(scores.record, scores.table[scores.table.index.isin(own)])
            for scores in found
            if scores is not None and scores.table.index.isin(own).any()
        ]
        if not there or len(there) < len(systems):
            return None
        for scores in there:
            if scores.scored.empty:  # a seed without a score leaves no mean over seeds
                return scores
        return pool(there, metric) if len(there) > 1 else there[0]


@dataclass(frozen=True)
class DomainStudy:
    """One study: its domains in the configuration's order, and those that were left out."""

    name: str
    title: str
    domains: tuple[Domain, ...]
    absent: tuple[AbsentDomain, ...]

    @property
    def methods(self) -> list[str]:
        """Every method of any domain, in the board's order."""
        return list(dict.fromkeys(label for domain in self.domains for label in domain.methods))

    @property
    def anchors(self) -> list[str]:
        """Every anchor of any domain, in the board's order."""
        return list(dict.fromkeys(label for domain in self.domains for label in domain.anchors))


def domain_studies(board: Board) -> list[DomainStudy]:
    """Return every study that the board's runs are part of."""
    found: dict[str, list[tuple[RunRecord, DomainsRecord]]] = defaultdict(list)
    for run in (gap.run for gap in board.gaps):
        if KEY in run.config:
            record = DomainsRecord.model_validate(run.config[KEY])
            found[record.study].append((run, record))
    return [_study(board, name, parts) for name, parts in found.items()]


def _study(
    board: Board, name: str, parts: Sequence[tuple[RunRecord, DomainsRecord]]
) -> DomainStudy:
    latest = next((record for run, record in parts if run.id == name), parts[0][1])
    domains = {
        domain.label: found
        for run, record in parts
        for domain in record.domains
        if domain.label in latest.order and (found := _domain(board, run, domain))
    }
    ordered = tuple(domains[label] for label in latest.order if label in domains)
    return DomainStudy(name, latest.title, ordered, latest.absent)


def _domain(board: Board, run: RunRecord, record: DomainRecord) -> Domain | None:
    """Return a domain with its systems, or None if none was evaluated yet."""
    named, here = set(run.evaluations), []
    for system in board.systems:
        for key, evaluation in system.evaluations.items():
            if evaluation.id in named and evaluation.split == record.split and not system.partial:
                here.append((system, key, evaluation))
    if not here:
        return None
    chosen = full_size(list(_chosen(board, run, [system for system, _, _ in here])))
    return Domain(
        record,
        _utterances(record, [evaluation for _, _, evaluation in here]),
        _by_label(chosen),
        _by_label(system for system, _, _ in here if system.anchor),
        {system.slug: key for system, key, _ in here},
    )


def _utterances(
    record: DomainRecord, evaluations: Sequence[EvaluationRecord]
) -> tuple[EvaluatedUtterance, ...]:
    rows = {row.id: row for evaluation in evaluations for row in evaluation.utterances}
    return tuple(row for row in rows.values() if record.voice in (None, row.voice))


def _chosen(board: Board, run: RunRecord, systems: Sequence[System]) -> Iterator[System]:
    """Yield the trained systems at the NFE this run chose, or that have one NFE in it alone."""
    picked = {(choice.network, choice.nfe) for choice in choose(board) if choice.run == run.id}
    nfes: dict[object, set[int]] = defaultdict(set)
    for system in systems:
        nfes[system.network].add(system.any.nfe)
    for system in systems:
        if system.network and (
            (system.network, system.any.nfe) in picked or len(nfes[system.network]) == 1
        ):
            yield system


def _by_label(systems: Iterable[System]) -> dict[str, list[System]]:
    found: dict[str, list[System]] = {}
    for system in systems:
        own = found.setdefault(system.label, [])
        # From all N codes by default, and again as listed: the same system.
        if all((s.any.seed, s.any.sample) != (system.any.seed, system.any.sample) for s in own):
            own.append(system)
    return found
