"""The latent cache: training and validation audio encoded once, memory-mapped, checksummed.

`z.npy` (frames, D) float32 and `codes.npy` (frames, N) int16 hold all utterances end to end;
the record says where each one begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from harness.audio import resample
from harness.codecs.base import Codec, Encoded
from harness.data.corpus import Corpus, Utterance
from harness.data.read import read_utterance
from harness.errors import UserError
from harness.records import Record
from harness.store import Store, write_record

Progress = Callable[[int, int, float | None], None]


class LatentsRecord(Record):
    """Where each utterance lies in the arrays (start, frames), and the arrays' checksums."""

    spans: dict[str, tuple[int, int]]
    sha256: dict[str, str]


def encode_utterance(codec: Codec, corpus: Corpus, row: Utterance) -> Encoded:
    """Encode one utterance (B = 1), resampled to the codec's rate."""
    samples = read_utterance(corpus, row)
    wav = torch.from_numpy(resample(samples, corpus.sample_rate, codec.facts.sample_rate))
    with torch.inference_mode():
        return codec.encode(wav[None])


def write_latents(
    store: Store,
    identity: str,
    codec: Codec,
    corpus: Corpus,
    rows: Sequence[Utterance],
    progress: Progress,
) -> None:
    """Encode `rows` and commit the cache under `identity`."""
    latents, codes, spans, place = [], [], {}, 0
    for number, row in enumerate(rows, 1):
        encoded = encode_utterance(codec, corpus, row)
        latents.append(encoded.z[0].numpy())
        codes.append(encoded.codes[0].T.to(torch.int16).numpy())
        spans[row.id] = (place, len(latents[-1]))
        place += len(latents[-1])
        progress(number, len(rows), None)
    with store.commit("latents", identity) as folder:
        np.save(folder / "z.npy", np.concatenate(latents))
        np.save(folder / "codes.npy", np.concatenate(codes))
        sums = {name: file_sha256(folder / name) for name in ("z.npy", "codes.npy")}
        write_record(folder, LatentsRecord(id=identity, spans=spans, sha256=sums))


def file_sha256(path: Path) -> str:
    """Return a file's sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Latents:
    """The cache opened for reading. Raises UserError if its checksums do not hold."""

    def __init__(self, folder: Path) -> None:
        record = LatentsRecord.model_validate_json((folder / "record.json").read_bytes())
        for name, expected in record.sha256.items():
            if file_sha256(folder / name) != expected:
                raise UserError(
                    f"{folder / name}: is damaged (its sha256 changed); remove {folder} and rerun"
                )
        self.spans = record.spans
        self.z: NDArray[np.float32] = np.load(folder / "z.npy", mmap_mode="r")
        self.codes: NDArray[np.int16] = np.load(folder / "codes.npy", mmap_mode="r")
