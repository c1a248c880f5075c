"""The contract of a resynthesis method.

Shapes: B utterances, F frames, N codebooks of K entries each, D latent dimensions, T samples.
Masks are boolean and True on real frames. Latents are in the codec's own units unless a name
says `standardised`. A method sees x1 and the codebooks; extras (z, all codes, the reference) reach
it only when it declares them in `conditions_on`, which in this project only anchors do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.params import Backbone as Backbone
from methods.params import MethodError as MethodError
from methods.params import Params as Params


class LatentSpace(nn.Module):
    """What a method may know of a codec: its codebooks, and its standardised latents.

    `codebooks` are the N effective ones, each (K, D); their vectors add up to the decoder's input.
    K may differ between them (`sizes`).
    `mean` and `std` (D,) are the target's statistics over the trial's own training subset.
    """

    def __init__(
        self, codebooks: Sequence[Tensor] | Tensor, mean: Tensor, std: Tensor, frame_rate: float
    ) -> None:
        super().__init__()
        for k, book in enumerate(codebooks):
            self.register_buffer(f"codebook_{k}", book, persistent=False)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.frame_rate = frame_rate
        self.sizes = tuple(len(book) for book in codebooks)
        self.count, self.dimension = len(self.sizes), mean.shape[0]

    mean: Tensor
    std: Tensor

    def embed(self, codes: Tensor) -> Tensor:
        """Sum the vectors of codes (B, n, F), n <= N, into the latent (B, F, D)."""
        vectors = [self.codebook(k)[codes[:, k]] for k in range(codes.shape[1])]
        return torch.stack(vectors).sum(0)

    def codebook(self, k: int) -> Tensor:
        """Return the vectors (K, D) of codebook k, counted from 0."""
        book: Tensor = getattr(self, f"codebook_{k}")
        return book

    def standardise(self, latent: Tensor) -> Tensor:
        """Shift and scale (B, F, D) to zero mean and unit variance per dimension."""
        return (latent - self.mean) / self.std

    def restore(self, standardised: Tensor) -> Tensor:
        """Undo `standardise`."""
        return standardised * self.std + self.mean


@dataclass(frozen=True)
class Batch:
    """One training batch: codes (B, N, F), pre-quantized latents z (B, F, D), mask (B, F)."""

    codes: Tensor
    z: Tensor
    mask: Tensor

    def to(self, device: str) -> Batch:
        """Return the batch on another device."""
        return Batch(self.codes.to(device), self.z.to(device), self.mask.to(device))


@dataclass(frozen=True)
class Inputs:
    """What a method sees at test time: x1 (B, F), mask (B, F) and the extras it declared.

    Possible extras: "codes" (B, N, F), "z" (B, F, D), and "reference" (B, T), which comes with
    its rate in Hz as the 0-d "reference_rate".
    """

    x1: Tensor
    mask: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: str) -> Inputs:
        """Return the inputs on another device."""
        extras = {name: value.to(device) for name, value in self.extras.items()}
        return Inputs(self.x1.to(device), self.mask.to(device), extras)


@dataclass(frozen=True)
class Audio:
    """A waveform (B, T) at its own rate in Hz, from methods that need no codec decoder."""

    samples: Tensor
    sample_rate: int


class Method(nn.Module, ABC):
    """One resynthesis method. Subclasses declare facts as literals, so a plan needs no torch.

    `nfe` is an int (the only value supported), "any" (>= 1) or "N-1" (codebooks minus one).
    `layers_param` names the parameter that says from how many codes it decodes, if one does.
    `packages` are those, beside torch, whose version may change what it makes.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    equation: ClassVar[str] = ""
    source: ClassVar[str] = ""
    target: ClassVar[str]
    kind: ClassVar[str] = "method"
    trains: ClassVar[bool] = True
    nfe: ClassVar[int | str]
    conditions_on: ClassVar[tuple[str, ...]] = ("x1",)
    layers_param: ClassVar[str | None] = None
    packages: ClassVar[tuple[str, ...]] = ()

    class Params(Params):
        """No parameters unless a method declares some."""

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__()
        self.params = params
        self.space = space

    def networks(self) -> Sequence[nn.Module]:
        """Return the modules whose forward calls are counted as NFE."""
        return ()

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the scalar training loss; all randomness comes from `generator`."""
        raise MethodError(f"method '{self.name}' does not train")

    @abstractmethod
    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Turn x1 into latents (B, F, D) or audio with `nfe` network calls.

        `generators` holds one per utterance: results depend neither on the batch nor on padding.
        """


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average values (B, F) or (B, F, D) over real frames (and dimensions)."""
    weights = mask if values.dim() == mask.dim() else mask.unsqueeze(-1).expand_as(values)
    return (values * weights).sum() / weights.sum().clamp(min=1)


def draw_normal(generators: Sequence[torch.Generator], mask: Tensor, dimension: int) -> Tensor:
    """Draw standard normal noise (B, F, D), each utterance from its own generator.

    Only the real frames are drawn, so an utterance's noise is the same in any batch.
    """
    noise = torch.zeros(*mask.shape, dimension)
    for row, (generator, length) in enumerate(zip(generators, mask.sum(1).tolist(), strict=True)):
        noise[row, :length] = torch.randn(length, dimension, generator=generator)
    return noise.to(mask.device)
