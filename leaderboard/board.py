"""Reads the store into what the pages show: systems, splits, metrics, score tables, gaps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from harness.errors import UserError
from harness.records import (
    SCORE_COLUMNS,
    EvaluationRecord,
    ReferenceRecord,
    RunRecord,
    ScoreRecord,
    TrialRecord,
)
from harness.store import Kind, Store
from leaderboard.metric_keys import MetricKey, metric_keys, metric_order
from leaderboard.slugs import assign_slugs

STATUSES = ("scored", "not applicable", "missing")


@dataclass(frozen=True)
class Scores:
    """One metric over one evaluation: the record, and its rows indexed by utterance."""

    record: ScoreRecord
    table: pd.DataFrame

    @cached_property
    def scored(self) -> pd.DataFrame:
        """The rows that hold a value."""
        return self.table[self.table["status"] == "scored"]

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Every row by its utterance."""
        return {str(row["utterance"]): row for row in _row_dicts(self.table.reset_index())}

    def count(self, status: str) -> int:
        """Return how many rows have the status."""
        return int((self.table["status"] == status).sum())


@dataclass
class System:
    """What one leaderboard row is: a method, as trained once, at one NFE, on every split."""

    slug: str
    evaluations: dict[str, EvaluationRecord]
    trial: TrialRecord | None
    scores: dict[tuple[str, str], Scores] = field(default_factory=dict)

    @property
    def any(self) -> EvaluationRecord:
        """One of its evaluations, for the facts they all share."""
        return next(iter(self.evaluations.values()))

    @property
    def anchor(self) -> bool:
        """Whether it is a non-trained system that bounds the scale."""
        return self.any.method.kind == "anchor"

    @property
    def label(self) -> str:
        """Its method and variant."""
        method = self.any.method
        return f"{method.name} ({method.variant})" if method.variant else method.name

    @property
    def data_label(self) -> str:
        """Its data size, as the configuration calls it; empty for anchors."""
        return self.any.data_size.label if self.any.data_size else ""

    def scores_of(self, split: str, metric: MetricKey) -> Scores | None:
        """Return its scores on a split by a metric, if they exist."""
        return self.scores.get((split, metric.name))


@dataclass(frozen=True)
class Gap:
    """How much of one run is finished."""

    run: RunRecord
    evaluations: int
    scores: int

    @property
    def complete(self) -> bool:
        """Whether everything the run names exists."""
        return self.evaluations == len(self.run.evaluations) and self.scores == len(self.run.scores)


@dataclass
class Board:
    """Everything the site shows. `splits` excludes those used only to choose an NFE."""

    store: Store
    systems: list[System]
    splits: list[str]
    selection_splits: list[str]
    metrics: list[MetricKey]
    gaps: list[Gap]
    references: dict[str, ReferenceRecord]

    def metrics_of(self, split: str) -> list[MetricKey]:
        """Return the metrics with at least one score table on the split."""
        found = {name for system in self.systems for at, name in system.scores if at == split}
        return [metric for metric in self.metrics if metric.name in found]

    def systems_of(self, split: str) -> list[System]:
        """Return the systems evaluated on the split, anchors first."""
        return [system for system in self.systems if split in system.evaluations]

    def anchor(self, name: str, split: str, codec: str) -> System | None:
        """Return the named anchor of a codec on a split, if it was evaluated."""
        for system in self.systems_of(split):
            facts = system.any
            if system.anchor and facts.method.name == name and facts.codec.name == codec:
                return system
        return None


def load_board(store: Store) -> Board:
    """Read every run, and of what it names whatever exists.

    Raises UserError if there is no run, no finished evaluation, or a record or table is broken.
    """
    runs = store.runs()
    if not runs:
        raise UserError(f"store {store.root}: holds no run; run `resynth run CONFIG` first")
    evaluations = {
        name: store.evaluation(name)
        for name in _present(store, "evaluations", (i for run in runs for i in run.evaluations))
    }
    if not evaluations:
        raise UserError(
            f"store {store.root}: no evaluation is finished yet; run `resynth run CONFIG` first"
        )
    scores = [
        store.score(name)
        for name in _present(store, "scores", (i for run in runs for i in run.scores))
    ]
    keys = _split_keys(evaluations.values())
    systems = _systems(store, evaluations, keys)
    metrics = metric_keys(scores)
    _attach(store, systems, keys, scores, metrics)
    chosen_on = {run.selection.split for run in runs if run.selection}
    all_splits = sorted(
        {(evaluation.split != "test", keys[name]) for name, evaluation in evaluations.items()}
    )
    selecting = {keys[name] for name, record in evaluations.items() if record.split in chosen_on}
    return Board(
        store=store,
        systems=systems,
        splits=[key for _, key in all_splits if key not in selecting],
        selection_splits=sorted(selecting),
        metrics=sorted(set(metrics.values()), key=metric_order),
        gaps=_gaps(store, runs),
        references=_references(store, evaluations.values()),
    )


def _row_dicts(table: pd.DataFrame) -> list[dict[str, Any]]:
    names = [str(name) for name in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.itertuples(index=False)]


def _present(store: Store, kind: Kind, wanted: Iterable[str]) -> list[str]:
    finished = store.finished(kind)
    return [name for name in dict.fromkeys(wanted) if name in finished]


def _gaps(store: Store, runs: Sequence[RunRecord]) -> list[Gap]:
    evaluations, scores = store.finished("evaluations"), store.finished("scores")
    return [
        Gap(
            run,
            sum(name in evaluations for name in run.evaluations),
            sum(name in scores for name in run.scores),
        )
        for run in runs
    ]


def _split_keys(evaluations: Iterable[EvaluationRecord]) -> dict[str, str]:
    """Name each evaluation's split, with its corpus where the board holds several corpora."""
    records = list(evaluations)
    several = len({record.corpus for record in records}) > 1
    return {
        record.id: f"{record.corpus}/{record.split}" if several else record.split
        for record in records
    }


def _systems(
    store: Store, evaluations: dict[str, EvaluationRecord], keys: dict[str, str]
) -> list[System]:
    groups: dict[tuple[str, ...], dict[str, EvaluationRecord]] = defaultdict(dict)
    for name, record in evaluations.items():
        identity = _system_identity(record)
        other = groups[identity].setdefault(keys[name], record)
        if other is not record:
            # The same system scored anew, e.g. by newer code: a system of its own.
            groups[(*identity, name)][keys[name]] = record
    ordered = sorted(groups.values(), key=_system_order)
    slugs = assign_slugs([next(iter(group.values())) for group in ordered])
    return [
        System(name, group, _trial(store, next(iter(group.values()))))
        for name, group in zip(slugs, ordered, strict=True)
    ]


def _system_identity(record: EvaluationRecord) -> tuple[str, ...]:
    method = record.method
    parts = (method.name, method.variant, record.codec.sha256, record.trial or "", record.nfe)
    return tuple(str(part) for part in (*parts, record.layers, record.seed, record.sample))


_ANCHORS = ("copy", "prequantized", "codec", "coarse")


def _system_order(
    group: dict[str, EvaluationRecord],
) -> tuple[bool, int, str, str, float, int, int]:
    first = next(iter(group.values()))
    method = first.method
    rank = _ANCHORS.index(method.name) if method.name in _ANCHORS else len(_ANCHORS)
    hours = first.data_size.hours if first.data_size else 0.0
    is_method = method.kind != "anchor"
    return is_method, rank, method.name, method.variant, -hours, first.nfe, first.seed or 0


def _trial(store: Store, evaluation: EvaluationRecord) -> TrialRecord | None:
    return store.trial(evaluation.trial) if evaluation.trial else None


def _attach(
    store: Store,
    systems: Sequence[System],
    keys: dict[str, str],
    scores: Sequence[ScoreRecord],
    metrics: dict[str, MetricKey],
) -> None:
    """Give each system the scores of its evaluations; a later run's replaces an earlier one's."""
    owner = {record.id: system for system in systems for record in system.evaluations.values()}
    for score in scores:
        if score.evaluation in owner:
            at = (keys[score.evaluation], metrics[score.id].name)
            owner[score.evaluation].scores[at] = Scores(score, _table(store, score))


def _table(store: Store, score: ScoreRecord) -> pd.DataFrame:
    path = store.folder("scores", score.id) / "table.parquet"
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); remove its folder and rerun") from error
    faults = [f"column '{name}' is absent" for name in SCORE_COLUMNS if name not in table]
    if not faults:
        faults += ["an utterance occurs twice"] if table["utterance"].duplicated().any() else []
        faults += ["an unknown status"] if not table["status"].isin(STATUSES).all() else []
        values = table.loc[table["status"] == "scored", "value"]
        faults += ["a scored row without a value"] if values.isna().any() else []
    if faults:
        raise UserError(f"{path}: {faults[0]}; remove its folder and rerun the configuration")
    return table.set_index("utterance")


def _references(
    store: Store, evaluations: Iterable[EvaluationRecord]
) -> dict[str, ReferenceRecord]:
    wanted = (record.reference for record in evaluations)
    return {name: store.reference(name) for name in _present(store, "references", wanted)}
