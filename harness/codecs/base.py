"""The contract of a codec.

Shapes: wav (B, T) at the codec's rate, z and latents (B, F, D), codes (B, N, F), F = ceil(T / hop).
`lengths` (B,) are true lengths in samples, `frames` (B,) in frames; None means all are full.
Results do not depend on padding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.records import CodecFacts


@dataclass(frozen=True)
class Encoded:
    """Pre-quantized latents z (B, F, D), codes (B, N, F) and true frame counts (B,)."""

    z: Tensor
    codes: Tensor
    frames: Tensor


class Codec(nn.Module, ABC):
    """A frozen neural codec with a residual quantizer."""

    def __init__(self, facts: CodecFacts) -> None:
        super().__init__()
        self.facts = facts

    @property
    def hop(self) -> int:
        """Samples per frame."""
        return round(self.facts.sample_rate / self.facts.frame_rate)

    def frame_counts(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        """Return frames per utterance, ceil(samples / hop)."""
        samples = torch.full((wav.shape[0],), wav.shape[1]) if lengths is None else lengths
        return torch.div(samples + self.hop - 1, self.hop, rounding_mode="floor")

    @abstractmethod
    def encode(self, wav: Tensor, lengths: Tensor | None = None) -> Encoded:
        """Encode audio; frames past an utterance's end hold no information."""

    @abstractmethod
    def quantize(self, z: Tensor) -> Tensor:
        """Return the codes (B, N, F) of latents z."""

    @abstractmethod
    def decode(self, latent: Tensor, frames: Tensor | None = None) -> Tensor:
        """Return wav (B, F * hop), differentiable in `latent`."""

    @abstractmethod
    def codebooks(self) -> Tensor:
        """Return the effective codebooks (N, K, D): their vectors add up to the decoder's input."""

    def embed(self, codes: Tensor, first: int | None = None) -> Tensor:
        """Return the decoder's input (B, F, D) for codes 1..first."""
        books = self.codebooks()[:first]
        return torch.stack([book[codes[:, k]] for k, book in enumerate(books)]).sum(0)


def frame_mask(frames: Tensor, longest: int) -> Tensor:
    """Return a boolean mask (B, longest), True on real frames."""
    return torch.arange(longest)[None] < frames[:, None]
