"""Gathers evaluation records into systems, in the order of the board's rows."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from harness.records import EvaluationRecord
from harness.store import Store
from leaderboard.codecs import bit_rate, codec_names
from leaderboard.details import details_of
from leaderboard.slugs import assign_slugs
from leaderboard.systems import System


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
    trained = {record.trial for record in records if record.trial}
    trials = {name: store.trial(name) for name in sorted(trained)}
    return [
        System(slug, group, trials[record.trial] if record.trial else None, codec, detail)
        for slug, group, record, codec, detail in zip(
            slugs, ordered, records, codecs, details, strict=True
        )
    ]


def _first(group: dict[str, EvaluationRecord]) -> EvaluationRecord:
    return next(iter(group.values()))


def _codec(record: EvaluationRecord) -> tuple[str, str]:
    return record.codec.name, record.codec.sha256


def _identity(record: EvaluationRecord) -> tuple[str, ...]:
    method = record.method
    params = method.model_dump_json(include={"params"})
    parts = (method.name, method.variant, params, *_codec(record), record.trial, record.checkpoint)
    axes = (record.nfe, record.layers, record.seed, record.sample)
    return tuple(str(part) for part in (*parts, *axes))


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
        record.checkpoint == "best",
        record.layers or 0,
        record.nfe,
        record.seed or 0,
        record.sample,
    )
