"""One shard on disk: its record, and the check that nothing of it is missing or changed.

`z.npy` (frames, D) is float32, float16, or the bits of bfloat16 as uint16; absent in codes mode.
`codes.npy` (frames, N) is int16. `spans.json` maps an utterance's id to its first frame and number
of frames. `record.json` says how all was made, with the other files' sha256.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from harness.errors import UserError
from harness.latents.files import file_sha256
from harness.latents.spec import Keep, Precision
from harness.records import Provenance, Record
from harness.store import Store

FileName = Literal["z.npy", "codes.npy", "spans.json"]
FILES: dict[Keep, set[FileName]] = {
    "latents": {"z.npy", "codes.npy", "spans.json"},
    "codes": {"codes.npy", "spans.json"},
}
Spans = dict[str, tuple[int, int]]


class DamagedShard(UserError):
    """A shard that is absent, half-written or changed; it is never used."""


class ShardRecord(Record):
    """How a shard was made.

    `relative_error` is the RMS of what storing z in `precision` changes, over the RMS of z; None
    where z is not stored. `codec` is the sha256 of the codec's weights.
    """

    kind: Literal["latents"] = "latents"
    codec: str
    precision: Precision
    keep: Keep
    utterances: int
    frames: int
    audio_seconds: float
    encode_seconds: float
    relative_error: float | None
    sha256: dict[FileName, str]
    provenance: Provenance


def damaged(
    path: Path | str, identity: str, fault: str, remedy: str = "rerun to encode it again"
) -> DamagedShard:
    """Return the error of a shard that cannot be used."""
    return DamagedShard(
        f"{path}: {fault}; shard {identity} of the latent cache is not used; {remedy}"
    )


def parse_record(data: bytes, identity: str) -> ShardRecord:
    """Read a shard's record. Raises ValueError if it is not the whole record of this shard."""
    record = ShardRecord.model_validate_json(data)
    if record.id != identity or set(record.sha256) != FILES[record.keep]:
        raise ValueError(f"is the record of shard {record.id}")
    return record


def verify(folder: Path, identity: str) -> tuple[ShardRecord, Spans]:
    """Return a shard's record and spans, all its files read and their sha256 compared.

    Raises DamagedShard, naming the first file that is missing or changed.
    """
    path = folder / "record.json"
    try:
        record = parse_record(path.read_bytes(), identity)
        for name, expected in record.sha256.items():
            path = folder / name
            if file_sha256(path) != expected:
                raise damaged(path, identity, "is damaged (its sha256 changed)")
    except FileNotFoundError as error:
        raise damaged(path, identity, "is missing") from error
    except ValueError as error:
        raise damaged(path, identity, "is not this shard's record") from error
    spans = json.loads((folder / "spans.json").read_bytes())
    return record, {utterance: (first, count) for utterance, (first, count) in spans.items()}


@contextmanager
def shard_lock(store: Store, identity: str) -> Iterator[None]:
    """Hold a shard's lock, waiting for it; among the processes of one machine."""
    folder = store.root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / identity).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
