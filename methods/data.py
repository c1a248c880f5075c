"""What methods are given in training and at test time, and the waveforms they may return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from methods.params import MethodError

Decode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Batch:
    """One training batch: codes (B, N, F), pre-quantized latents z (B, F, D), mask (B, F).

    For methods that need them: the segments' audio `wav` (B, F * hop) at the codec's rate, and the
    codec's frozen decoder, from latents (B, F, D) to audio (B, F * hop), differentiable.
    `progress` is the share of the training budget that is spent, from 0 to 1.
    """

    codes: Tensor
    z: Tensor
    mask: Tensor
    wav: Tensor | None = None
    decoder: Decode | None = None
    progress: float = 1.0

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch on another device; the decoder is the caller's to move."""
        wav = None if self.wav is None else self.wav.to(device, non_blocking=True)
        codes, z, mask = (
            part.to(device, non_blocking=True) for part in (self.codes, self.z, self.mask)
        )
        return replace(self, codes=codes, z=z, mask=mask, wav=wav)

    def audio(self) -> Tensor:
        """Return `wav` (B, F * hop). Raises MethodError if the method did not declare it."""
        if self.wav is None:
            raise MethodError("training audio is given to methods that declare needs = ('audio',)")
        return self.wav

    def decode(self, latent: Tensor) -> Tensor:
        """Decode latents (B, F, D) to audio (B, F * hop). Raises MethodError if not declared."""
        if self.decoder is None:
            raise MethodError("the decoder is given to methods that declare needs = ('decoder',)")
        return self.decoder(latent)


@dataclass(frozen=True)
class Inputs:
    """What a method sees at test time: x1 (B, F), mask (B, F) and the extras it declared.

    Possible extras: "codes" (B, N, F), "z" (B, F, D), and "reference" (B, T), which comes with
    its rate in Hz as the 0-d "reference_rate". `layers` is for methods that are `layered`: decode
    from the first so many codes, x1 included; None means all N.
    """

    x1: Tensor
    mask: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    layers: int | None = None

    def to(self, device: str) -> Inputs:
        """Return the inputs on another device."""
        extras = {name: value.to(device) for name, value in self.extras.items()}
        return replace(self, x1=self.x1.to(device), mask=self.mask.to(device), extras=extras)


@dataclass(frozen=True)
class Audio:
    """A waveform (B, T) at its own rate in Hz, from methods that need no codec decoder."""

    samples: Tensor
    sample_rate: int
