"""What sets systems of one method apart: layers, checkpoints, bit rates, other parameters."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from harness.records import EvaluationRecord


@dataclass(frozen=True)
class Detail:
    """One distinguishing fact: as part of a label, and of a slug.

    `of_method` facts are parameters; the others say how one network was used.
    """

    label: str
    slug: str
    of_method: bool = False


def details_of(records: Sequence[EvaluationRecord]) -> list[tuple[Detail, ...]]:
    """Return each record's layers, checkpoint and the parameters in which its method differs."""
    values: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        for key, value in record.method.params.items():
            values[_method(record)][key].add(json.dumps(value, sort_keys=True))
    return [
        (
            *_layers(record),
            *_checkpoint(record),
            *(
                _detail(key, value)
                for key, value in sorted(record.method.params.items())
                if len(values[_method(record)][key]) > 1
            ),
        )
        for record in records
    ]


def _method(record: EvaluationRecord) -> tuple[str, str]:
    return record.method.name, record.method.variant


def _layers(record: EvaluationRecord) -> tuple[Detail, ...]:
    count = record.layers
    if count is None:
        return ()
    if count == record.codec.codebooks:
        return (Detail(f"all {count} codes", f"layers{count}"),)
    return (Detail(f"first {count} codes" if count > 1 else "first code", f"layers{count}"),)


def _checkpoint(record: EvaluationRecord) -> tuple[Detail, ...]:
    return (Detail("best checkpoint", "best"),) if record.checkpoint == "best" else ()


def _detail(key: str, value: JsonValue) -> Detail:
    words = key.replace("_", " ")
    if key == "bit_rate" and isinstance(value, int | float):
        return Detail(f"{value / 1000:g} kb/s", f"{value / 1000:g}kbps", of_method=True)
    if isinstance(value, str) and value:
        return Detail(value, value, of_method=True)
    text = json.dumps(value, sort_keys=True)
    return Detail(f"{words} {text}", f"{key.replace('_', '')}{text}", of_method=True)
