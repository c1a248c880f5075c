"""The contract of a resynthesis method.

Shapes: B utterances, F frames, N codebooks of K entries each, D latent dimensions, T samples.
Masks are boolean and True on real frames. Latents are in the codec's own units unless a name
says `standardised`. A method sees x1 and the codebooks; extras (z, all codes, the reference) reach
it only when it declares them in `conditions_on`, which in this project only anchors do. Training
shows it codes and z, and waveforms and the frozen decoder where it declares that it `needs` them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.params import Backbone as Backbone
from methods.params import MethodError as MethodError
from methods.params import Params as Params
from methods.params import check_nfe


class LatentSpace(nn.Module):
    """What a method may know of a codec: its codebooks, and its standardised latents.

    `codebooks` are the N effective ones, each (K, D); their vectors add up to the decoder's input.
    K may differ between them (`sizes`).
    `mean` and `std` (D,) are the target's statistics over the trial's own training subset. A frame
    is `hop` samples of the codec's audio at `sample_rate` Hz.
    """

    def __init__(
        self,
        codebooks: Sequence[Tensor] | Tensor,
        mean: Tensor,
        std: Tensor,
        frame_rate: float,
        sample_rate: int,
    ) -> None:
        super().__init__()
        for k, book in enumerate(codebooks):
            self.register_buffer(f"codebook_{k}", book, persistent=False)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.frame_rate, self.sample_rate = frame_rate, sample_rate
        self.hop = round(sample_rate / frame_rate)
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


EARLIEST = 1e-6  # rounding could make a drawn time 0, where some schedules divide by nothing
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


class Method(nn.Module, ABC):
    """One resynthesis method. Subclasses declare facts as literals, so a plan needs no torch.

    `nfe` is an int (the only value supported), "any" (>= 1) or "N-1" (codebooks minus one; with
    `Inputs.layers` k it is k - 1).
    `packages` are those, beside torch, whose version may change what it makes.
    `layered` methods predict codes one codebook after another, and also decode from the first k.
    `needs` names what `loss` reads beside latents: "audio", "decoder" (see `Batch`).
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
    needs: ClassVar[tuple[str, ...]] = ()
    sampling: ClassVar[tuple[str, ...]] = ()
    teacher: ClassVar[str | None] = None
    passes: ClassVar[float] = 3.0

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
