"""A frozen codec with codebooks refitted to its own z: the same encoder and decoder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from harness.codecs.base import Codec, Encoded
from harness.codecs.quantizers import QuantizerHeader, tensor_bytes
from harness.data.corpus import Utterance
from harness.errors import UserError
from harness.identity import audio_digest
from harness.records import CodecFacts, Provenance, Refit
from harness.store import atomic_write

SCORES = {"cpu": 1 << 22, "cuda": 1 << 27}  # at once: 16 MB fit a cache, a GPU wants more


class RequantizedCodec(Codec):
    """`base` with other codebooks (K, D), all residual: each quantizes what those before left.

    The first `kept` are the base codec's own and its own quantizer chooses their codes, so they
    agree with the base codec's bit for bit. Where those run beside each other, as Mimi's semantic
    codebook does, the refitted ones still quantize z less the embedding of the kept codes.
    """

    def __init__(
        self, facts: CodecFacts, base: Codec, books: Sequence[Tensor], kept: int = 0
    ) -> None:
        super().__init__(facts)
        self.base = base
        self.kept = min(kept, len(books))
        self.books = nn.ParameterList(books)

    @property
    def padding(self) -> int:
        """See `Codec.padding`."""
        return self.base.padding

    def frame_counts(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        """See `Codec.frame_counts`."""
        return self.base.frame_counts(wav, lengths)

    def check_audio(self, wav: Tensor) -> None:
        """See `Codec.check_audio`."""
        self.base.check_audio(wav)

    def encode_checked(self, wav: Tensor, lengths: Tensor | None) -> Encoded:
        """See `Codec.encode`."""
        encoded = self.base.encode_checked(wav, lengths)
        return Encoded(encoded.z, self.requantize(encoded.z, encoded.codes), encoded.frames)

    def quantize(self, z: Tensor) -> Tensor:
        """See `Codec.quantize`."""
        return self.requantize(z, self.base.quantize(z) if self.kept else None)

    def requantize(self, z: Tensor, base_codes: Tensor | None) -> Tensor:
        """Return the codes (B, N, F) of z, the kept ones taken from the base codec's."""
        codes: list[Tensor] = []
        if base_codes is not None:
            codes.extend(base_codes[:, : self.kept].unbind(1))
        residual = z
        for number, book in enumerate(self.books):
            if number >= self.kept:
                codes.append(nearest(residual, book))
            residual = residual - book[codes[number]]
        return torch.stack(codes, dim=1)

    def decode(self, latent: Tensor, frames: Tensor | None = None) -> Tensor:
        """See `Codec.decode`."""
        return self.base.decode(latent, frames)

    def codebooks(self) -> Sequence[Tensor]:
        """See `Codec.codebooks`."""
        return list(self.books)


def nearest(x: Tensor, book: Tensor) -> Tensor:
    """Return the index (...,) of the entry of `book` (K, D) nearest to each x (..., D).

    Distances are computed in chunks, so that memory does not grow with the frames.
    """
    offset = -0.5 * book.square().sum(1)
    rows = max(1, SCORES[x.device.type] // len(book))
    chunks = torch.split(x.reshape(-1, x.shape[-1]), rows)
    codes = torch.cat([torch.addmm(offset, chunk, book.T).argmax(1) for chunk in chunks])
    return codes.reshape(x.shape[:-1])


def load_requantized(facts: CodecFacts, base: Codec, path: Path) -> RequantizedCodec:
    """Load the first N codebooks of a file. Raises UserError if they are not as its header says."""
    try:
        state = load_file(path)
        books = [state[f"codebook.{k}"] for k in range(facts.codebooks)]
    except (SafetensorError, KeyError) as error:
        raise UserError(f"{path}: its codebooks are damaged ({error}); make it again") from error
    for book, size in zip(books, facts.sizes, strict=True):
        if book.shape != (size, facts.dimension) or not torch.isfinite(book).all():
            raise UserError(f"{path}: its codebooks are not as its header says; make it again")
    return RequantizedCodec(facts, base, books, facts.refit.kept if facts.refit else 0)


def save_quantizer(
    path: Path,
    books: Sequence[Tensor],
    refit: Refit,
    base: CodecFacts,
    audio: tuple[str, Sequence[Utterance]],
    provenance: Provenance,
) -> None:
    """Write codebooks at once, complete or not at all. `audio` is what they were fitted to.

    Raises UserError if the file cannot be written.
    """
    name, rows = audio
    tensors = {f"codebook.{k}": book.float().contiguous() for k, book in enumerate(books)}
    header = QuantizerHeader.model_validate(
        {
            "base": base.name,
            "base_sha256": base.sha256,
            "sizes": json.dumps([len(book) for book in books]),
            "refit": refit.model_dump_json(),
            "fitted_on": f"{name} ({audio_digest(rows)})",
            "fitted_audio": json.dumps([(row.id, row.sha256[:16]) for row in rows]),
            "tensors_sha256": hashlib.sha256(tensor_bytes(save(tensors))).hexdigest(),
            "provenance": provenance.model_dump_json(),
        }
    )
    data = save(tensors, header.model_dump(mode="json", round_trip=True))
    try:
        atomic_write(path, data)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
