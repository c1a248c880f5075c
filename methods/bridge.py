"""The Schrödinger Bridge between the coarse embedding and the target latent."""

from __future__ import annotations

from collections.abc import Sequence
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
    masked_mean,
    normal_like,
    uniform,
)
from methods.nets.schedule import Schedule, step_times
from methods.nets.timed import TimedMethod


class Bridge(TimedMethod):
    """I2SB (arXiv 2302.05872) on standardised latents, X_1 = e(x1) and X_0 = z.

    The network sees X_t, X_1 and t. At NFE 1 the output is its prediction of X_0 from X_1, a
    regression; a stochastic bridge recovers the target's variance as NFE grows. The deterministic
    one (OT-ODE, section 3.3) drops the noise in training and sampling: its source is fixed by x1,
    so at every NFE it aims at the posterior mean. Untrained, X_0 is predicted to be X_t (X_1, where
    the velocity is predicted).
    """

    name: ClassVar[str] = "bridge"
    summary: ClassVar[str] = "Schrödinger Bridge from the coarse embedding to z; any NFE."
    equation: ClassVar[str] = "X_t' ~ N((a2 X0_hat + s2(t') X_t) / s2(t), s2(t') a2 / s2(t))"
    source: ClassVar[str] = "arXiv 2410.22448; I2SB, arXiv 2302.05872"
    target: ClassVar[str] = "z"
    nfe: ClassVar[int | str] = "any"
    sampling: ClassVar[tuple[str, ...]] = ("spacing",)

    class Params(Method.Params):
        """The target, the schedule (in units of standardised latents), steps and prediction.

        Noise has a standard deviation of sqrt(total) / 2 at mid-time, total being the schedule's
        integral: 0.1 by default, since 0.29 needed more training than a small budget gives.
        `prediction` "eps" is I2SB's (X_t - X_0) / s(t); "x0" weighs errors by what they do to the
        output instead of by 1 / s2(t), which at small beta_max is dominated by the noise near t=0.
        "velocity" is X_1 - X_0, the speed of X_t's mean (1 - c) X_0 + c X_1 on the schedule's own
        clock c = s2(t) / s2(1), along which that mean is a straight line: it is the OT-ODE's drift
        on its paths and finite at both ends, where (X_t - X_0) / c grows without bound at t = 0. It
        weighs errors as "x0" does, but asks for all of X_0 at every t, not for what X_t lacks.
        `spacing` "quadratic" puts steps near the target, which keeps few steps closest to the
        regression; "quadratic_source" puts them near the source.
        `source_share` of the utterances train at t = 1 exactly: every sampler starts there, and
        with little noise it is where the network cannot read X_0 off X_t and must know it.
        """

        target: Literal["z", "embedding"] = "z"
        beta_max: Annotated[float, Field(gt=0)] = 0.12
        beta_min: Annotated[float, Field(ge=0)] = 0.0
        spacing: Literal["uniform", "quadratic", "quadratic_source"] = "quadratic"
        deterministic: bool = False
        prediction: Literal["x0", "eps", "velocity"] = "x0"
        source_share: Annotated[float, Field(ge=0, lt=1)] = 0.5

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        self.schedule = Schedule(params.beta_min, params.beta_max)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the mean squared error of the network's output, one time per utterance.

        Times are uniform over (0, 1] but for the share at 1, and spread evenly over the batch,
        which has less variance than independent times and the same mean.
        """
        source = self.space.coarse(batch.codes[:, 0])
        target = self.space.aim(batch, self.params.target)
        count = len(source)
        spread = uniform(count, generator, source.device) / (1 - self.params.source_share)
        time = spread.clamp(max=1)
        noise = None if self.params.deterministic else normal_like(target, generator)
        change = self.schedule.change(target, source, time, noise)
        output = self._output(target + change, source, time, batch.mask, generator)
        if self.params.prediction == "velocity":
            return masked_mean((output - (source - target)).square(), batch.mask)
        return masked_mean((output - change / self._scale(time)).square(), batch.mask)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return a sample (B, F, D) of the latent after `nfe` steps, zero on padding."""
        self.check_request(inputs, nfe)
        source = self.space.coarse(inputs.x1)
        sample = self.sample(source, inputs.mask, nfe, generators)
        return self.space.restore(sample) * inputs.mask.unsqueeze(-1)

    def sample(
        self, source: Tensor, mask: Tensor, steps: int, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Walk from X_1 (B, F, D) to X_0 (I2SB, algorithm 2), one network call a step."""
        times = step_times(steps, self.params.spacing).to(source.device)

        def predict(current: Tensor, time: Tensor) -> Tensor:
            return self.predict_target(current, source, time, mask)

        draws = None if self.params.deterministic else generators
        return self.schedule.walk(predict, source, mask, times, draws)

    def predict_target(self, current: Tensor, source: Tensor, time: Tensor, mask: Tensor) -> Tensor:
        """Predict X_0 (B, F, D) from X_t, X_1 and times (B,)."""
        output = self._output(current, source, time, mask)
        if self.params.prediction == "velocity":
            return source - output
        return current - self._scale(time) * output

    def _scale(self, time: Tensor) -> Tensor:
        """Return the output's unit (B, 1, 1): s(t) for eps, 1 for x0."""
        s2 = self.schedule.s2(time)[:, None, None]
        return s2.sqrt() if self.params.prediction == "eps" else torch.ones_like(s2)
