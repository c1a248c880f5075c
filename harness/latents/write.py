"""Encode a shard and commit it: under its id it is whole, or not there."""

from __future__ import annotations

import json
import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from harness.codecs.base import Codec
from harness.data.corpus import Corpus
from harness.errors import UserError
from harness.latents.arrays import DTYPES, ArrayWriter
from harness.latents.encode import encode_utterance, place
from harness.latents.files import Progress, file_sha256
from harness.latents.shard import FILES, ShardRecord, Spans
from harness.latents.spec import Cache, Precision, Shard
from harness.provenance import now, provenance
from harness.store import Store, write_record

MOST_ENTRIES = 2**15  # what int16 holds


@dataclass
class Tally:
    """What was written of a shard so far; `power` and `loss` are sums of squares of z."""

    spans: Spans = field(default_factory=dict)
    frames: int = 0
    power: float = 0.0
    loss: float = 0.0

    @property
    def relative_error(self) -> float:
        """RMS of what storing changed over the RMS of z."""
        return math.sqrt(self.loss / self.power) if self.power else 0.0


def write_shard(
    store: Store, shard: Shard, cache: Cache, codec: Codec, corpus: Corpus, progress: Progress
) -> None:
    """Encode a shard's utterances and commit them; if it was committed meanwhile, discard them.

    Raises UserError, naming utterance and file, for audio that cannot be encoded or stored.
    """
    if codec.facts.entries > MOST_ENTRIES:
        raise UserError(
            f"codec '{codec.facts.name}': has {codec.facts.entries} codebook entries, the latent "
            f"cache holds at most {MOST_ENTRIES}; choose another codec"
        )
    started, clock = now(), time.monotonic()
    with store.commit("latents", shard.id) as folder:
        tally = write_files(folder, shard, cache, codec, corpus, progress)
        seconds = time.monotonic() - clock
        record = ShardRecord(
            id=shard.id,
            codec=codec.facts.sha256,
            precision=cache.precision,
            keep=cache.keep,
            utterances=len(shard.rows),
            frames=tally.frames,
            audio_seconds=round(sum(row.seconds for row in shard.rows), 3),
            encode_seconds=round(seconds, 3),
            relative_error=tally.relative_error if cache.keep == "latents" else None,
            sha256={name: file_sha256(folder / name) for name in sorted(FILES[cache.keep])},
            provenance=provenance(started, seconds),
        )
        write_record(folder, record)


def write_files(
    folder: Path, shard: Shard, cache: Cache, codec: Codec, corpus: Corpus, progress: Progress
) -> Tally:
    """Write a shard's arrays and spans."""
    tally = Tally()
    with ExitStack() as files:
        out = files.enter_context(ArrayWriter(folder / "codes.npy", codec.facts.codebooks))
        z_out = None
        if cache.keep == "latents":
            z_out = files.enter_context(ArrayWriter(folder / "z.npy", codec.facts.dimension))
        for number, row in enumerate(shard.rows, 1):
            encoded = encode_utterance(codec, corpus, row)
            z, codes = encoded.z[0], encoded.codes[0].T
            check_codes(codes, codec, place(corpus, row))
            out.append(codes.to(torch.int16))
            if z_out is not None:
                z_out.append(store_z(z, cache.precision, place(corpus, row), tally))
            tally.spans[row.id] = (tally.frames, len(z))
            tally.frames += len(z)
            progress(number, len(shard.rows), None)
    spans = json.dumps(tally.spans, separators=(",", ":"), ensure_ascii=False)
    (folder / "spans.json").write_text(spans, encoding="utf-8")
    return tally


def check_codes(codes: Tensor, codec: Codec, name: str) -> None:
    """Raise UserError unless all codes are entries of the codebooks."""
    low, high = int(codes.min()), int(codes.max())
    if low < 0 or high >= codec.facts.entries:
        raise UserError(
            f"{name}: codec '{codec.facts.name}' makes codes {low} to {high} of it, outside "
            f"0 to {codec.facts.entries - 1}; check the codec's weights"
        )


def store_z(z: Tensor, precision: Precision, name: str, tally: Tally) -> Tensor:
    """Return z (F, D) as it is stored and tally the error. Raises UserError if it overflows."""
    stored = z.to(DTYPES[precision])
    if not torch.isfinite(stored).all():
        raise UserError(
            f"{name}: its latents reach {float(z.abs().max()):.3g}, beyond {precision}; set "
            "latents.precision to bfloat16 or float32"
        )
    tally.power += float(z.double().square().sum())
    tally.loss += float((stored.double() - z.double()).square().sum())
    return stored
