"""What sets systems of one method and variant apart: layers, bit rates, other parameters."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from harness.records import EvaluationRecord


@dataclass(frozen=True)
class Detail:
    """One distinguishing fact: as part of a label, and of a slug."""

    label: str
    slug: str


def details_of(records: Sequence[EvaluationRecord]) -> list[tuple[Detail, ...]]:
    """Return each record's number of layers, and the parameters in which its method's differ."""
    values: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        for key, value in record.method.params.items():
            values[_method(record)][key].add(json.dumps(value, sort_keys=True))
    return [
        (
            *_layers(record),
            *(
                _detail(key, value)
                for key, value in sorted(record.method.params.items())
                # The number of layers says what `first` says.
                if key != "first" and len(values[_method(record)][key]) > 1
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
    return (Detail(f"first {count} codes" if count > 1 else "first code", f"layers{count}"),)


def _detail(key: str, value: JsonValue) -> Detail:
    words = key.replace("_", " ")
    if key == "bit_rate" and isinstance(value, int | float):
        return Detail(f"{value / 1000:g} kb/s", f"{value / 1000:g}kbps")
    if isinstance(value, str) and value:
        return Detail(value, value)
    text = json.dumps(value, sort_keys=True)
    return Detail(f"{words} {text}", f"{key.replace('_', '')}{text}")
