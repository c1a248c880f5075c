"""The contract of a resynthesis method.

Shapes: B utterances, F frames, N codebooks of K entries each, D latent dimensions, T samples.
Masks are boolean and True on real frames. Latents are in the codec's own units unless a name
says `standardised`. A method sees x1 and the codebooks; extras (z, all codes, the reference) reach
it only when it declares them in `conditions_on`, which in this project only anchors do. Training
shows it codes and z, and waveforms and the frozen decoder where it declares that it `needs` them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.data import Audio as Audio
from methods.data import Batch as Batch
from methods.data import Decode as Decode
from methods.data import Inputs as Inputs
from methods.params import Backbone as Backbone
from methods.params import MethodError as MethodError
from methods.params import Params as Params
from methods.params import check_nfe
from methods.space import LatentSpace as LatentSpace

EARLIEST = 1e-6  # rounding could make a drawn time 0, where some schedules divide by nothing


class Method(nn.Module, ABC):
    """One resynthesis method. Subclasses declare facts as literals, so a plan needs no torch.

    `nfe` is an int (the only value supported), "any" (>= 1) or "N-1" (codebooks minus one; with
    `Inputs.layers` k it is k - 1).
    `packages` are those, beside torch, whose version may change what it makes.
    `layered` methods predict codes one codebook after another, and also decode from the first k.
    `needs` names what `loss` reads beside latents: "audio", "decoder" (see `Batch`). An instance
    may need less than its class declares.
    `sampling` names the parameters that only `resynthesize` reads: values of theirs share a trial.
    `teacher` names the method whose trained trial this one starts from (see `adopt`); its
    parameters are those that `Params.teacher`, a mapping, gives.
    `passes` is what a training step costs in forward passes of the shared encoder over the batch;
    a plan forecasts with it (a backward pass costs two).
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
    packages: ClassVar[tuple[str, ...]] = ()
    layered: ClassVar[bool] = False
    needs: tuple[str, ...] = ()
    sampling: ClassVar[tuple[str, ...]] = ()
    teacher: ClassVar[str | None] = None
    passes: ClassVar[float] = 3.0

    class Params(Params):
        """No parameters unless a method declares some.

        One with `Field(exclude=True)` says where a file lies: no part of an id or a record. Another
        must say what is in the file, by its hash.
        """

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__()
        self.params = params
        self.space = space

    def networks(self) -> Sequence[nn.Module]:
        """Return the modules whose forward calls are counted as NFE."""
        return ()

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the scalar training loss, a mean over real frames.

        All randomness comes from `generator`, drawn on its own device (see `normal_like`).
        """
        raise MethodError(f"method '{self.name}' does not train")

    def critics(self) -> Sequence[nn.Module]:
        """Return the submodules trained against the method, by an optimiser of their own.

        They are no part of the method at test time, nor of its parameter count.
        """
        return ()

    def critic_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the critics' scalar loss; a step updates them first, then the rest by `loss`."""
        raise MethodError(f"method '{self.name}' has no critics")

    def adopt(self, teacher: Method) -> None:
        """Take the trained `teacher`, frozen, before training (or at test time if none is done).

        It must not become a submodule: its weights are its own trial's.
        """
        raise MethodError(f"method '{self.name}' has no teacher")

    @abstractmethod
    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Turn x1 into latents (B, F, D) or audio with `nfe` network calls.

        `generators` holds one per utterance: results depend neither on the batch nor on padding.
        """

    def check_request(self, inputs: Inputs, nfe: int) -> None:
        """Raise MethodError unless the method does `nfe` calls, from so many layers."""
        layers = inputs.layers
        if layers is not None and not (self.layered and 1 <= layers <= self.space.count):
            what = f"1..{self.space.count}" if self.layered else "it predicts no layers"
            raise MethodError(f"method '{self.name}' cannot decode from {layers} layers: {what}")
        check_nfe(self.name, self.nfe, nfe, layers or self.space.count)


class CodeMethod(Method):
    """A method that predicts codes: its result is their embedding. Declare `layered` True."""

    @abstractmethod
    def predict_codes(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Return x1 and the codes predicted after it, (B, layers, F); see `resynthesize`."""

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return the embedding (B, F, D) of the predicted codes, zero on padding."""
        return self.embed(self.predict_codes(inputs, nfe, generators), inputs)

    def embed(self, codes: Tensor, inputs: Inputs) -> Tensor:
        """Return the embedding (B, F, D) of predicted codes, zero on padding."""
        return self.space.embed(codes) * inputs.mask.unsqueeze(-1)


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


def normal_like(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normal noise of a training tensor's shape, on the generator's own device."""
    noise = torch.randn(like.shape, generator=generator, device=generator.device)
    return noise.to(like.device)


def uniform(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Draw times (count,) in (0, 1], one in each of `count` equal slices, in random order.

    Spread over the batch they have less variance than independent ones, and the same mean.
    """
    place = torch.randperm(count, generator=generator, device=generator.device)
    drawn = torch.rand(count, generator=generator, device=generator.device)
    return (1 - (place + drawn) / count).clamp(min=EARLIEST).to(device)
