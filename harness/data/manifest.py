"""Read and write manifests: JSON lines, one utterance each, parsed strictly."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.data.corpus import Utterance
from harness.errors import UserError, nearest

_ADAPTER = TypeAdapter(Utterance)
_NAMES = {field.name for field in fields(Utterance)}


def parse_manifest(text: str, name: str) -> list[Utterance]:
    """Parse JSON lines. Raises UserError with the line number for anything unexpected."""
    return [
        _parse_row(line, f"{name}, line {number}")
        for number, line in enumerate(text.split("\n"), 1)  # a text may hold U+2028
        if line.strip()
    ]


def _parse_row(line: str, where: str) -> Utterance:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not JSON ({error}); one object per line is needed") from error
    if not isinstance(row, dict):
        raise UserError(f"{where}: not a JSON object; one object per line is needed")
    for key in row:
        if key not in _NAMES:
            raise UserError(f"{where}: unknown key '{key}'{nearest(key, _NAMES)}")
    try:
        parsed = _ADAPTER.validate_json(line, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"{where}: '{key}': {first['msg']}") from error
    if not 0 < parsed.seconds < math.inf:
        raise UserError(f"{where}: 'seconds' is {parsed.seconds}; a positive duration is needed")
    return parsed


def write_manifest(rows: Iterable[Utterance], path: Path) -> None:
    """Write a manifest that `parse_manifest` reads back."""
    text = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
