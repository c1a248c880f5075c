"""Stable, readable, unique names of systems: of their pages, files and CSV rows."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from harness.records import EvaluationRecord
from leaderboard.details import Detail


def slug(text: str) -> str:
    """Return text as lower-case words joined by hyphens, safe as a file name; "%" becomes "pct"."""
    plain = text.lower().replace("%", "pct")
    return re.sub(r"[^a-z0-9._]+", "-", plain).strip("-._") or "unnamed"


def unique_slug(text: str) -> str:
    """Return `slug(text)`, with a hash of the text where the slug lost something of it."""
    short = slug(text)[:80]
    return short if short == text else f"{short}-{_digest(text)}"


def assign_slugs(
    records: Sequence[EvaluationRecord], codecs: Sequence[str], details: Sequence[Sequence[Detail]]
) -> list[str]:
    """Name each system by one of its evaluations; "bridge-100pct-nfe4" where nothing else differs.

    `codecs` are the names to show, empty where none is needed; `details` say what sets systems of
    one method apart. Seed and sample join the name where the board holds several; a hash of the
    trial (or evaluation) joins where two names would still be equal.
    """
    seeds = {record.seed for record in records if record.seed is not None}
    samples = {record.sample for record in records}
    names = [
        _name(record, codec, detail, len(seeds) > 1, len(samples) > 1)
        for record, codec, detail in zip(records, codecs, details, strict=True)
    ]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else f"{name}-{_digest(f'{record.trial} {record.id}')}"
        for name, record in zip(names, records, strict=True)
    ]


def _name(
    record: EvaluationRecord, codec: str, details: Sequence[Detail], seeds: bool, samples: bool
) -> str:
    method, trained = record.method, record.method.kind != "anchor"
    parts = [method.name, method.variant, *(detail.slug for detail in details)]
    parts.append(record.data_size.label if record.data_size else "")
    parts.append(f"nfe{record.nfe}" if trained else "")
    parts.append(f"seed{record.seed}" if seeds and record.seed is not None else "")
    parts.append(f"sample{record.sample}" if samples and trained else "")
    parts.append(codec)
    return "-".join(slug(part) for part in parts if part)[:120]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
