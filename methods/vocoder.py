"""From x1 straight to the waveform, without the codec's decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from methods.base import Audio, Backbone, Batch, Inputs, LatentSpace, Method, MethodError
from methods.nets.discriminators import Evidence, SpectralCritic, contest, persuade
from methods.nets.spectral import SpectralLoss, inverse_stft, silence
from methods.nets.transformer import Encoder


class Vocoder(Method):
    """The shared encoder with the head of Vocos (arXiv 2306.00814) in place of a codec's decoder.

    Each frame's output is the log magnitude and phase of a spectrum; an inverse STFT with windows
    of four hops makes the waveform. At 12 layers of 768 and EnCodec's 75 frames/s that is 1 % more
    parameters than the regression, which in turn needs the codec's decoder.

    In test mode `loss` is the spectral one alone, so that validation losses compare between steps.
    """

    name: ClassVar[str] = "vocoder"
    summary: ClassVar[str] = "One pass from x1 to the waveform, by an inverse STFT."
    equation: ClassVar[str] = "min_f mel(f(e(x1)), wav) + stft(f(e(x1)), wav) + a V(f, C)"
    source: ClassVar[str] = "Vocos, arXiv 2306.00814; STFT loss, arXiv 1910.11480"
    target: ClassVar[str] = "waveform"
    nfe: ClassVar[int | str] = 1
    needs: tuple[str, ...] = ("audio",)
    passes: ClassVar[float] = 3.7

    class Params(Method.Params):
        """The head's frames and the weights of the losses beside the mel distance, which is 1.

        `subframes` spectra are predicted per codec frame, each with windows so many times shorter:
        more than 1 suits codecs of few frames per second. The discriminator (`adversarial` 0: none)
        and its `feature_matching` enter after the first `warm_start` of the budget; their ratio to
        the mel distance is about that of Vocos.
        """

        subframes: Annotated[int, Field(ge=1)] = 1
        stft: Annotated[float, Field(ge=0)] = 1.0
        adversarial: Annotated[float, Field(ge=0)] = 0.03
        feature_matching: Annotated[float, Field(ge=0)] = 0.03
        objective: Literal["hinge", "least_squares"] = "hinge"
        warm_start: Annotated[float, Field(ge=0, lt=1)] = 0.5

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        if space.hop % params.subframes:
            raise MethodError(
                f"method 'vocoder': a frame of {space.hop} samples does not split into "
                f"{params.subframes} subframes"
            )
        size = 4 * space.hop // params.subframes
        self.network = Encoder(backbone, space.dimension, params.subframes * (size + 2))
        self.spectral_loss = SpectralLoss(space.sample_rate)
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        self.critic = SpectralCritic(backbone.width) if params.adversarial else None

    window: Tensor

    def networks(self) -> Sequence[nn.Module]:
        """Return the one network."""
        return (self.network,)

    def critics(self) -> Sequence[nn.Module]:
        """Return the discriminator, if its weight is not zero."""
        return () if self.critic is None else (self.critic,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the spectral distances, plus, in training past the warm start, the critic's."""
        real, fake = self._evidence(batch, generator)
        mel, stft = self.spectral_loss(fake[0], *real)
        loss: Tensor = mel + self.params.stft * stft
        if self.critic is None or not self.training or batch.progress < self.params.warm_start:
            return loss
        adversarial, matching = persuade(self.critic, real, fake, self.params.objective)
        weights = self.params
        return loss + weights.adversarial * adversarial + weights.feature_matching * matching

    def critic_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the discriminator's loss; during the warm start a zero that reaches no weight."""
        if self.critic is None:
            return super().critic_loss(batch, generator)
        if batch.progress < self.params.warm_start:
            return batch.z.new_zeros((), requires_grad=True)
        with torch.no_grad():
            real, fake = self._evidence(batch, generator)
        return contest(self.critic, real, fake, self.params.objective)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return the waveform (B, F * hop) at the codec's rate, zero past each utterance's end."""
        self.check_request(inputs, nfe)
        return Audio(self._waveform(inputs.x1, inputs.mask), self.space.sample_rate)

    def _waveform(
        self, x1: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        coarse = self.space.coarse(x1)
        output = self.network(coarse, mask, generator=generator)
        count = self.params.subframes
        split = output.unflatten(-1, (count, -1)).flatten(1, 2)
        return inverse_stft(split, mask.repeat_interleave(count, dim=1), self.window)

    def _evidence(self, batch: Batch, generator: torch.Generator) -> tuple[Evidence, Evidence]:
        """Return the training audio (B, T) and the network's, each with its lengths (B,)."""
        lengths = batch.mask.sum(1) * self.space.hop
        fake = self._waveform(batch.codes[:, 0], batch.mask, generator)
        return (silence(batch.audio(), batch.mask), lengths), (fake, lengths)
