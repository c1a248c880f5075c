"""Variance-preserving diffusion from noise to the latent, given x1."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

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
    uniform,
)
from methods.nets.schedule import VariancePreserving, step_times
from methods.nets.timed import TimedMethod


class Diffusion(TimedMethod):
    """X_t = signal(t) X_0 + noise(t) eps on standardised latents, X_0 = z, sampled by DDIM.

    The network sees X_t, e(x1) and t. With signals a, a' and noises n, n' at t and t' < t, one step
    is X_t' = a' X_0_hat + sqrt(n'^2 - d^2) eps_hat + d w, d = eta (n' / n) sqrt(1 - (a / a')^2)
    with new noise w (arXiv 2010.02502, eq. 12 and 16). The last step adds none.
    """

    name: ClassVar[str] = "diffusion"
    summary: ClassVar[str] = "Diffusion from noise to z given x1, sampled by DDIM; any NFE."
    equation: ClassVar[str] = "X_t' = a' X_0_hat + sqrt(n'^2 - d^2) eps_hat + d w"
    source: ClassVar[str] = "DDPM, arXiv 2006.11239; DDIM, arXiv 2010.02502"
    target: ClassVar[str] = "z"
    nfe: ClassVar[int | str] = "any"
    sampling: ClassVar[tuple[str, ...]] = ("eta", "spacing")

    class Params(Method.Params):
        """The target, the schedule, the steps and what is predicted.

        `terminal_signal` is X_0's weight at t = 1, where the sampler starts from noise alone: the
        start is wrong by so much of X_0. The default is DDPM's; "eps" divides its first error by
        it. Each `prediction` is trained by its own squared error: "x0", given as a residual over
        e(x1), need not copy the noise from the input, which learns faster; "velocity",
        a eps - n X_0 (arXiv 2202.00512, appendix D), is as safe at both ends; "eps" is DDPM's.
        `eta`: 0 draws noise at the start alone, 1 at every step as DDPM does.
        """

        target: Literal["z", "embedding"] = "z"
        schedule: Literal["cosine", "linear"] = "cosine"
        terminal_signal: Annotated[float, Field(gt=0, lt=1)] = 0.0066
        prediction: Literal["x0", "eps", "velocity"] = "x0"
        eta: Annotated[float, Field(ge=0, le=1)] = 0.0
        spacing: Literal["uniform", "quadratic", "quadratic_source"] = "uniform"

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        self.schedule = VariancePreserving(params.schedule, params.terminal_signal)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the mean squared error of the network's output, one time per utterance."""
        coarse = self.space.coarse(batch.codes[:, 0])
        target = self.space.aim(batch, self.params.target)
        time = uniform(len(target), generator, target.device)
        eps = normal_like(target, generator)
        signal, noise = self._weights(time)
        output = self._output(signal * target + noise * eps, coarse, time, batch.mask, generator)
        goals = {"x0": target - coarse, "eps": eps, "velocity": signal * eps - noise * target}
        return masked_mean((output - goals[self.params.prediction]).square(), batch.mask)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return a sample (B, F, D) of the latent after `nfe` steps, zero on padding."""
        self.check_request(inputs, nfe)
        coarse = self.space.coarse(inputs.x1)
        current = draw_normal(generators, inputs.mask, self.space.dimension)
        times = step_times(nfe, self.params.spacing).to(current.device)
        for step, (time, earlier) in enumerate(pairwise(times), start=1):
            x0, eps = self.predict(current, coarse, time.expand(len(coarse)), inputs.mask)
            signal, noise, fresh = self._step_weights(time, earlier)
            current = signal * x0 + noise * eps
            if step < nfe and self.params.eta > 0:
                drawn = draw_normal(generators, inputs.mask, self.space.dimension)
                current = current + fresh * drawn
        return self.space.restore(current) * inputs.mask.unsqueeze(-1)

    def predict(
        self, current: Tensor, coarse: Tensor, time: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict X_0 and eps (B, F, D) from X_t, e(x1) and times (B,) in (0, 1]."""
        output = self._output(current, coarse, time, mask)
        signal, noise = self._weights(time)
        if self.params.prediction == "eps":
            return (current - noise * output) / signal, output
        if self.params.prediction == "velocity":
            return signal * current - noise * output, noise * current + signal * output
        target = coarse + output
        return target, (current - signal * target) / noise

    def _step_weights(self, time: Tensor, earlier: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what X_0_hat, eps_hat and new noise weigh in X_t', t' < t."""
        signal, noise = self.schedule.signal(earlier), self.schedule.noise(earlier)
        kept = 1 - (self.schedule.signal(time) / signal).square()
        fresh = self.params.eta * noise / self.schedule.noise(time) * kept.sqrt()
        # Never negative but for rounding, where nearly all of the noise is new.
        return signal, (noise.square() - fresh.square()).clamp(min=0).sqrt(), fresh

    def _weights(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """Return the signal and the noise (B, 1, 1) at times (B,)."""
        return self.schedule.signal(time)[:, None, None], self.schedule.noise(time)[:, None, None]
