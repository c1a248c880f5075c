"""What the pages say of codecs: their names, and the bit rate behind each system."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from harness.records import CodecFacts, EvaluationRecord


def is_partial(record: EvaluationRecord) -> bool:
    """Whether a system decodes fewer codes than its codec has."""
    return record.layers is not None and record.layers < record.codec.codebooks


def bit_rate(record: EvaluationRecord) -> float:
    """Return the bit rate a system stands for, in bits per second.

    A classical codec's own; of the anchor `codec` that of the codes it decodes; else the codec's.
    """
    method, codec = record.method, record.codec
    own = method.params.get("bit_rate")
    if method.ignores_codec and isinstance(own, int | float):
        return float(own)
    if method.kind == "anchor" and method.name == "codec":
        return sum(math.log2(size) for size in codec.sizes[: record.layers]) * codec.frame_rate
    return codec.bit_rate


def codec_of_row(record: EvaluationRecord, shown: str) -> str:
    """Return the codec of a published row: a classical codec is one itself."""
    own = record.method.ignores_codec and "bit_rate" in record.method.params
    return record.method.name if own else shown


def codec_names(codecs: Iterable[CodecFacts]) -> dict[tuple[str, str], str]:
    """Return the name to show by (name, sha256), with a hash where one name has two weights."""
    weights: dict[str, list[str]] = defaultdict(list)
    for codec in codecs:
        if codec.sha256 not in weights[codec.name]:
            weights[codec.name].append(codec.sha256)
    return {
        (name, sha256): name if len(found) == 1 else f"{name}@{sha256[:8]}"
        for name, found in weights.items()
        for sha256 in found
    }


def sizes_text(sizes: tuple[int, ...]) -> str:
    """Write codebook sizes as "8 x 1024", or "1 x 1024 + 7 x 256" where they differ."""
    runs: list[list[int]] = []
    for size in sizes:
        if runs and runs[-1][1] == size:
            runs[-1][0] += 1
        else:
            runs.append([1, size])
    return " + ".join(f"{count} \N{MULTIPLICATION SIGN} {size}" for count, size in runs)
