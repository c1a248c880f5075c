"""Reads the store into what the pages show: systems, splits, metrics, score tables, gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from harness.errors import UserError
from harness.records import (
    SCORE_COLUMNS,
    CodecFacts,
    EvaluationRecord,
    ReferenceRecord,
    RunRecord,
    ScoreRecord,
)
from harness.store import Kind, Store
from leaderboard.gather import gather_systems
from leaderboard.metric_keys import MetricKey, metric_keys, metric_order
from leaderboard.systems import Scores, System

STATUSES = ("scored", "not applicable", "missing")


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
        """Return the systems evaluated on the split, codec by codec, anchors first."""
        return [system for system in self.systems if split in system.evaluations]

    @cached_property
    def codecs(self) -> dict[str, CodecFacts]:
        """The codecs of the board by the name to show, in the runs' order."""
        ordered = sorted(self.systems, key=lambda system: system.codec_free)
        return {system.codec: system.any.codec for system in ordered}

    @cached_property
    def trained(self) -> list[System]:
        """The systems with trained weights."""
        return [system for system in self.systems if system.trial]

    @property
    def several_checkpoints(self) -> bool:
        """Whether pages must say which of a trial's weights a system uses."""
        return len({system.any.checkpoint for system in self.trained}) > 1

    @property
    def several_codecs(self) -> bool:
        """Whether pages must say which codec a system is of."""
        return len(self.codecs) > 1

    def title(self, system: System) -> str:
        """Return a system's label, with its codec where the board holds several."""
        return system.label if system.codec_free else self.beside(system.label, system.codec)

    def beside(self, label: str, codec: str) -> str:
        """Return a label, with a codec where the board holds several."""
        return f"{label} · {codec}" if self.several_codecs else label

    def coarse_of(self, system: System, split: str) -> System | None:
        """Return the `coarse` to hold a system against: its codec's, if it has one alone."""
        if system.codec_free and self.several_codecs:
            return None
        return self.anchor("coarse", split, system.codec)

    def anchor(self, name: str, split: str, codec: str) -> System | None:
        """Return the named anchor of a codec on a split, of all its codes, if it was evaluated.

        An anchor that no codec shapes (`copy`) is found beside every codec.
        """
        for system in self.systems_of(split):
            fits = system.codec_free or system.codec == codec
            if system.anchor and system.any.method.name == name and fits and not system.partial:
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
    systems = gather_systems(store, evaluations, keys)
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
