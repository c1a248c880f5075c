"""Systems: what one leaderboard row is, gathered from evaluation records."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from harness.records import EvaluationRecord, ScoreRecord, TrialRecord
from harness.store import Store
from leaderboard.codecs import bit_rate, codec_names, is_partial
from leaderboard.details import Detail, details_of
from leaderboard.metric_keys import MetricKey
from leaderboard.slugs import assign_slugs


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
    """What one leaderboard row is: a method on a codec, as trained once, at one NFE.

    `codec` is the name to show (unique on the board); `details` say what sets it apart from other
    systems of its method and variant.
    """

    slug: str
    evaluations: dict[str, EvaluationRecord]
    trial: TrialRecord | None
    codec: str
    details: tuple[Detail, ...] = ()
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
    def codec_free(self) -> bool:
        """Whether it would be the same beside every codec."""
        return self.any.method.ignores_codec

    @property
    def partial(self) -> bool:
        """Whether it decodes fewer codes than its codec has."""
        return is_partial(self.any)

    @property
    def bit_rate(self) -> float:
        """The bit rate it stands for, in bits per second (see `codecs.bit_rate`)."""
        return bit_rate(self.any)

    @property
    def label(self) -> str:
        """Its method, variant and details."""
        method = self.any.method
        words = [method.variant] if method.variant else []
        words += [detail.label for detail in self.details]
        return f"{method.name} ({', '.join(words)})" if words else method.name

    @property
    def data_label(self) -> str:
        """Its data size, as the configuration calls it; empty for anchors."""
        return self.any.data_size.label if self.any.data_size else ""

    def scores_of(self, split: str, metric: MetricKey) -> Scores | None:
        """Return its scores on a split by a metric, if they exist."""
        return self.scores.get((split, metric.name))


def gather_systems(
    store: Store, evaluations: dict[str, EvaluationRecord], keys: dict[str, str]
) -> list[System]:
    """Group evaluations (by id, in the runs' order) into systems; `keys` are their splits' names.

    First the anchors no codec shapes, then codec by codec in the runs' order, anchors first.
    """
    groups: dict[tuple[str, ...], dict[str, EvaluationRecord]] = defaultdict(dict)
    for name, record in evaluations.items():
        identity = _identity(record)
        other = groups[identity].setdefault(keys[name], record)
        if other is not record:
            # The same system evaluated anew, e.g. by newer code: a system of its own.
            groups[(*identity, name)][keys[name]] = record
    names = codec_names(record.codec for record in evaluations.values())
    order = list(names)
    ordered = sorted(groups.values(), key=lambda group: _order(_first(group), order))
    records = [_first(group) for group in ordered]
    codecs = [names[_codec(record)] for record in records]
    shown = [
        "" if len(names) == 1 or record.method.ignores_codec else codec
        for record, codec in zip(records, codecs, strict=True)
    ]
    details = details_of(records)
    slugs = assign_slugs(records, shown, details)
    return [
        System(slug, group, _trial(store, record), codec, detail)
        for slug, group, record, codec, detail in zip(
            slugs, ordered, records, codecs, details, strict=True
        )
    ]


def _row_dicts(table: pd.DataFrame) -> list[dict[str, Any]]:
    names = [str(name) for name in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.itertuples(index=False)]


def _first(group: dict[str, EvaluationRecord]) -> EvaluationRecord:
    return next(iter(group.values()))


def _codec(record: EvaluationRecord) -> tuple[str, str]:
    return record.codec.name, record.codec.sha256


def _identity(record: EvaluationRecord) -> tuple[str, ...]:
    method = record.method
    params = method.model_dump_json(include={"params"})
    parts = (method.name, method.variant, params, *_codec(record), record.trial or "", record.nfe)
    return tuple(str(part) for part in (*parts, record.layers, record.seed, record.sample))


_ANCHORS = ("copy", "opus", "prequantized", "codec", "coarse")


def _order(record: EvaluationRecord, codecs: list[tuple[str, str]]) -> tuple[Any, ...]:
    method, free = record.method, record.method.ignores_codec
    rank = _ANCHORS.index(method.name) if method.name in _ANCHORS else len(_ANCHORS)
    hours = record.data_size.hours if record.data_size else 0.0
    anchor = method.kind == "anchor"
    return (
        -1 if free else codecs.index(_codec(record)),
        not anchor,
        rank,
        method.name,
        -bit_rate(record) if anchor else 0.0,
        record.layers is not None,
        method.variant,
        -hours,
        record.nfe,
        record.seed or 0,
        record.sample,
    )


def _trial(store: Store, evaluation: EvaluationRecord) -> TrialRecord | None:
    return store.trial(evaluation.trial) if evaluation.trial else None
