"""One-step regression refined by a discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from methods.base import (
    Audio,
    Backbone,
    Batch,
    Inputs,
    LatentSpace,
    Method,
    draw_normal,
    masked_mean,
    normal_like,
)
from methods.nets.discriminators import Evidence, LatentCritic, SpectralCritic, contest, persuade
from methods.nets.spectral import silence
from methods.nets.transformer import Encoder


class AdversarialRegression(Method):
    """The regression, with a critic's opinion of the result added to its error.

    Without noise the output stays a function of x1. The critic can then move it from the mean of
    all plausible latents, which is no latent of speech, to one that looks real, and its statistics
    over many x1 can become right. What it cannot do is represent what x1 leaves open: there is one
    answer per x1, its spread is zero, and its squared error is never below the regression's. With
    `noise` it is a sampler; the regression's error then counts the samples' own spread against it,
    so spread survives only as far as the adversarial weight outbids the error.

    In test mode `loss` is the regression's alone, so that validation losses compare between steps:
    a critic that keeps learning has no fixed scale.
    """

    name: ClassVar[str] = "adversarial_regression"
    summary: ClassVar[str] = "Regression to the continuous latent, refined by a discriminator."
    equation: ClassVar[str] = "min_f max_C | f(e(x1)) - z |^p + a V(f, C) + b | C_l(f) - C_l(z) |"
    source: ClassVar[str] = "arXiv 2410.22448; hinge, arXiv 1705.02894; EnCodec, arXiv 2210.13438"
    target: ClassVar[str] = "z"
    nfe: ClassVar[int | str] = 1
    needs: tuple[str, ...] = ("audio", "decoder")
    passes: ClassVar[float] = 3.6

    class Params(Method.Params):
        """What is regressed, who judges it, and what that weighs.

        `target` and `loss` are the regression's. `discriminator` "latent" judges standardised
        latents beside the coarse embedding; "stft" judges audio, the decoded latents' against the
        training audio. `adversarial` and `feature_matching` weigh those losses against the
        regression's. For the first `warm_start` of the budget the regression runs alone.
        `noise` makes it a sampler.
        """

        target: Literal["z", "embedding"] = "z"
        loss: Literal["l1", "l2"] = "l2"
        discriminator: Literal["latent", "stft"] = "latent"
        objective: Literal["hinge", "least_squares"] = "hinge"
        adversarial: Annotated[float, Field(ge=0)] = 0.1
        feature_matching: Annotated[float, Field(ge=0)] = 0.1
        warm_start: Annotated[float, Field(ge=0, lt=1)] = 0.5
        noise: bool = False

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        size, judged = space.dimension, params.discriminator == "latent"
        self.needs = () if judged else ("audio", "decoder")  # of what the class declares
        self.network = Encoder(backbone, size * (1 + params.noise), size, zero_output=True)
        self.critic = (
            LatentCritic(size, backbone.width) if judged else SpectralCritic(backbone.width)
        )

    def networks(self) -> Sequence[nn.Module]:
        """Return the one network."""
        return (self.network,)

    def critics(self) -> Sequence[nn.Module]:
        """Return the discriminator."""
        return (self.critic,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the regression's error, plus, in training past the warm start, the critic's."""
        predicted = self._draw(batch, generator)
        error = predicted - self.space.aim(batch, self.params.target)
        fidelity = error.abs() if self.params.loss == "l1" else error.square()
        loss = masked_mean(fidelity, batch.mask)
        if not self.training or batch.progress < self.params.warm_start:
            return loss
        adversarial, matching = persuade(
            self.critic, *self._evidence(batch, predicted), self.params.objective
        )
        weights = self.params
        return loss + weights.adversarial * adversarial + weights.feature_matching * matching

    def critic_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the discriminator's loss; during the warm start a zero that reaches no weight."""
        if batch.progress < self.params.warm_start:
            return batch.z.new_zeros((), requires_grad=True)
        with torch.no_grad():
            predicted = self._draw(batch, generator)
            real, fake = self._evidence(batch, predicted)
        return contest(self.critic, real, fake, self.params.objective)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return the predicted latent (B, F, D), zero on padding; a sample of it with `noise`."""
        self.check_request(inputs, nfe)
        coarse, noise = self.space.coarse(inputs.x1), None
        if self.params.noise:
            noise = draw_normal(generators, inputs.mask, self.space.dimension)
        latent = self.space.restore(self._predict(coarse, noise, inputs.mask))
        return latent * inputs.mask.unsqueeze(-1)

    def _draw(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Predict the standardised target (B, F, D) of a training batch."""
        coarse = self.space.coarse(batch.codes[:, 0])
        noise = normal_like(coarse, generator) if self.params.noise else None
        return self._predict(coarse, noise, batch.mask, generator)

    def _predict(
        self,
        coarse: Tensor,
        noise: Tensor | None,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        frames = coarse if noise is None else torch.cat((coarse, noise), dim=-1)
        residual: Tensor = self.network(frames, mask, generator=generator)
        return coarse + residual

    def _evidence(self, batch: Batch, predicted: Tensor) -> tuple[Evidence, Evidence]:
        """Return what the critic judges: its inputs for the real thing and for `predicted`."""
        mask = batch.mask
        if self.params.discriminator == "latent":
            coarse = self.space.coarse(batch.codes[:, 0])
            aim = self.space.aim(batch, self.params.target)
            return (aim, coarse, mask), (predicted, coarse, mask)
        decoded = batch.decode(self.space.restore(predicted) * mask.unsqueeze(-1))
        lengths = mask.sum(1) * self.space.hop
        return (silence(batch.audio(), mask), lengths), (silence(decoded, mask), lengths)
