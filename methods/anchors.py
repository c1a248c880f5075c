"""The systems that train nothing and bound the scale (design section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Audio, Inputs, Method


class Anchor(Method):
    """A method without a network."""

    kind: ClassVar[str] = "anchor"
    trains: ClassVar[bool] = False
    target: ClassVar[str] = "none"
    nfe: ClassVar[int | str] = 0


class Copy(Anchor):
    """The ceiling of every metric."""

    name: ClassVar[str] = "copy"
    summary: ClassVar[str] = "The reference audio itself, untouched by the codec."
    conditions_on: ClassVar[tuple[str, ...]] = ("reference",)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return extras "reference" (B, T) at extras "reference_rate" (0-d, Hz)."""
        self.check_request(inputs, nfe)
        return Audio(inputs.extras["reference"], int(inputs.extras["reference_rate"]))


class Prequantized(Anchor):
    """The topline of methods that predict latents."""

    name: ClassVar[str] = "prequantized"
    summary: ClassVar[str] = "Decodes the true latent z, before any quantization."
    equation: ClassVar[str] = "decode(z)"
    conditions_on: ClassVar[tuple[str, ...]] = ("z",)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return extras "z" (B, F, D)."""
        self.check_request(inputs, nfe)
        return inputs.extras["z"] * inputs.mask.unsqueeze(-1)


class Codec(Anchor):
    """The topline of methods that predict codes; from fewer codes, a lower bit rate's."""

    name: ClassVar[str] = "codec"
    summary: ClassVar[str] = "Decodes the true codes: what perfect token prediction would reach."
    equation: ClassVar[str] = "decode(e(x1) + ... + e(xN))"
    conditions_on: ClassVar[tuple[str, ...]] = ("codes",)
    layered: ClassVar[bool] = True

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return the embedding (B, F, D) of the first layers of extras "codes" (B, N, F)."""
        self.check_request(inputs, nfe)
        codes = inputs.extras["codes"][:, : inputs.layers]
        return self.space.embed(codes) * inputs.mask.unsqueeze(-1)


class Coarse(Anchor):
    """The floor: what every method is given."""

    name: ClassVar[str] = "coarse"
    summary: ClassVar[str] = "Decodes the coarse code x1 alone, with nothing resynthesised."
    equation: ClassVar[str] = "decode(e(x1))"

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return the embedding (B, F, D) of x1 (B, F)."""
        self.check_request(inputs, nfe)
        return self.space.embed(inputs.x1.unsqueeze(1)) * inputs.mask.unsqueeze(-1)
