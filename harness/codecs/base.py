"""The contract of a codec.

Shapes: wav (B, T) at the codec's rate, z and latents (B, F, D), codes (B, N, F). F covers the last
sample, in most codecs ceil(T / hop). `lengths` (B,) are true lengths in samples, `frames` (B,) in
frames; None means all are full. Results do not depend on padding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.errors import UserError
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

    @property
    def padding(self) -> int:
        """The most samples, at the codec's rate, that encoding and decoding append to audio."""
        return self.hop

    def frame_counts(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        """Return frames per utterance, ceil(samples / hop)."""
        samples = torch.full((wav.shape[0],), wav.shape[1]) if lengths is None else lengths
        return torch.div(samples + self.hop - 1, self.hop, rounding_mode="floor")

    def encode(self, wav: Tensor, lengths: Tensor | None = None) -> Encoded:
        """Encode audio; frames past an utterance's end hold no information.

        Raises UserError for audio shorter than one frame, or with NaN or infinite samples.
        """
        ends = [wav.shape[1]] * len(wav) if lengths is None else lengths.tolist()
        for row, end in zip(wav, ends, strict=True):
            self.check_audio(row[:end])
        return self.encode_checked(wav, lengths)

    def check_audio(self, wav: Tensor) -> None:
        """Raise UserError unless wav (T,) can be encoded."""
        if len(wav) < self.hop:
            raise UserError(
                f"codec '{self.facts.name}': {len(wav)} samples are less than one frame "
                f"({self.hop} samples); leave this audio out"
            )
        if not torch.isfinite(wav).all():
            raise UserError(
                f"codec '{self.facts.name}': the audio holds NaN or infinite samples; replace it"
            )

    def check_codes(self, codes: Tensor) -> None:
        """Raise UserError unless codes (B, n, F) are of this codec: n <= N and each below its K."""
        if codes.shape[1] > self.facts.codebooks:
            raise UserError(
                f"codec '{self.facts.name}': codes of {codes.shape[1]} codebooks, it has "
                f"{self.facts.codebooks}"
            )
        for number, size in enumerate(self.facts.sizes[: codes.shape[1]]):
            low, high = (int(x) for x in codes[:, number].aminmax())
            if low < 0 or high >= size:
                raise UserError(
                    f"codec '{self.facts.name}': code {high if high >= size else low} of codebook "
                    f"{number + 1} is out of its range 0..{size - 1}"
                )

    @abstractmethod
    def encode_checked(self, wav: Tensor, lengths: Tensor | None) -> Encoded:
        """Do `encode` on audio that was checked."""

    @abstractmethod
    def quantize(self, z: Tensor) -> Tensor:
        """Return the codes (B, N, F) of latents z."""

    @abstractmethod
    def decode(self, latent: Tensor, frames: Tensor | None = None) -> Tensor:
        """Return wav (B, T) that covers all F frames, differentiable in `latent`."""

    @abstractmethod
    def codebooks(self) -> Sequence[Tensor]:
        """Return the N effective codebooks, each (K, D): their vectors add up to a latent."""

    def embed(self, codes: Tensor, first: int | None = None) -> Tensor:
        """Return the decoder's input (B, F, D) for codes 1..first.

        Raises UserError for codes out of range.
        """
        kept = codes[:, :first]
        self.check_codes(kept)
        books = self.codebooks()
        return torch.stack([books[k][kept[:, k]] for k in range(kept.shape[1])]).sum(0)


def frame_mask(frames: Tensor, longest: int) -> Tensor:
    """Return a boolean mask (B, longest), True on real frames."""
    return torch.arange(longest)[None] < frames[:, None]
