"""Codecs whose models have no exact padding mask: utterances run one by one, unpadded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from harness.codecs.base import Codec, Encoded


class RowCodec(Codec):
    """A codec by what it does to one utterance; so neither batch nor padding can matter."""

    @abstractmethod
    def encode_row(self, wav: Tensor) -> Tensor:
        """Return z (F, D) of wav (T,)."""

    @abstractmethod
    def quantize_row(self, z: Tensor) -> Tensor:
        """Return codes (N, F) of z (F, D)."""

    @abstractmethod
    def decode_row(self, latent: Tensor) -> Tensor:
        """Return wav (T,) of a latent (F, D)."""

    def encode_checked(self, wav: Tensor, lengths: Tensor | None) -> Encoded:
        """See `Codec.encode`."""
        rows = [self.encode_row(row) for row in cut(wav, lengths)]
        codes = [self.quantize_row(row).T for row in rows]
        counts = torch.tensor([len(row) for row in rows])
        return Encoded(pad(rows), pad(codes).transpose(1, 2), counts)

    def quantize(self, z: Tensor) -> Tensor:
        """See `Codec.quantize`."""
        return torch.stack([self.quantize_row(row) for row in z])

    def decode(self, latent: Tensor, frames: Tensor | None = None) -> Tensor:
        """See `Codec.decode`."""
        return pad([self.decode_row(row) for row in cut(latent, frames)])


def cut(x: Tensor, lengths: Tensor | None) -> list[Tensor]:
    """Return the rows of x (B, L, ...), each without its padding."""
    ends = [x.shape[1]] * len(x) if lengths is None else lengths.tolist()
    return [row[:end] for row, end in zip(x, ends, strict=True)]


def pad(rows: Sequence[Tensor]) -> Tensor:
    """Stack rows (L, ...) of unequal length, filled with zeros."""
    return pad_sequence(list(rows), batch_first=True)
