"""A frozen codec with codebooks refitted to its own z: the same encoder and decoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from harness.codecs.base import Codec, Encoded
from harness.errors import UserError
from harness.records import CodecFacts


class RequantizedCodec(Codec):
    """`base` with other codebooks, all residual: each code is nearest to what those before left."""

    def __init__(self, facts: CodecFacts, base: Codec, books: Sequence[Tensor]) -> None:
        super().__init__(facts)
        self.base = base
        self.books = nn.ParameterList(books)

    @property
    def padding(self) -> int:
        """See `Codec.padding`."""
        return self.base.padding

    def encode_checked(self, wav: Tensor, lengths: Tensor | None) -> Encoded:
        """See `Codec.encode`."""
        encoded = self.base.encode_checked(wav, lengths)
        return Encoded(encoded.z, self.quantize(encoded.z), encoded.frames)

    def quantize(self, z: Tensor) -> Tensor:
        """See `Codec.quantize`."""
        residual, codes = z, []
        for book in self.books:
            codes.append(nearest(residual, book))
            residual = residual - book[codes[-1]]
        return torch.stack(codes, dim=1)

    def decode(self, latent: Tensor, frames: Tensor | None = None) -> Tensor:
        """See `Codec.decode`."""
        return self.base.decode(latent, frames)

    def codebooks(self) -> Sequence[Tensor]:
        """See `Codec.codebooks`."""
        return list(self.books)


def nearest(x: Tensor, book: Tensor) -> Tensor:
    """Return the index (...,) of the entry of `book` (K, D) nearest to each x (..., D)."""
    scores = 2 * x @ book.T - book.square().sum(1)
    return scores.argmax(-1)


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
    return RequantizedCodec(facts, base, books)
