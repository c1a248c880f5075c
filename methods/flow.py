"""Conditional flow matching from Gaussian noise, or the noised coarse embedding, to the latent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
)
from methods.nets.schedule import noise_source, step_times, training_times
from methods.nets.timed import TimedMethod
from methods.params import MethodError

Velocity = Callable[[Tensor, Tensor], Tensor]


class Flow(TimedMethod):
    """Straight paths X_t = (1 - t) X_0 + t X_1 on standardised latents, X_0 = z, X_1 random.

    The network sees X_t, e(x1) and t and learns the mean of X_1 - X_0 given them: the
    optimal-transport paths of arXiv 2210.02747, with the noise at t = 1 as in the bridge. Its
    differential equation, solved from t = 1 to 0, turns a draw of X_1 into one of z given x1. All
    randomness is in X_1, so it must have some: from the bare e(x1) the flow would be a regression.
    """

    name: ClassVar[str] = "flow"
    summary: ClassVar[str] = "Conditional flow matching from noise to z given x1; any NFE."
    equation: ClassVar[str] = "dX_t / dt = E[X_1 - X_0 | X_t, x1], X_1 ~ N(0, I)"
    source: ClassVar[str] = "flow matching, arXiv 2210.02747; rectified flow, arXiv 2209.03003"
    target: ClassVar[str] = "z"
    nfe: ClassVar[int | str] = "any"
    sampling: ClassVar[tuple[str, ...]] = ("solver", "spacing")

    class Params(Method.Params):
        """Where the flow starts, what is predicted, how it is solved, and the training times.

        X_1 is `source_std` (in standardised latents) times normal noise, for "noised_coarse" added
        to e(x1). `prediction` "velocity" is X_1 - X_0; "x0", given as a residual over e(x1), makes
        the velocity (X_t - X_0) / t and weighs its errors by t^2: the network need not copy the
        noise from its input, which learns faster. "midpoint" and "heun" (which needs "velocity")
        call the network twice a step: of n calls, n // 2 steps are theirs, and if n is odd the
        last, to t = 0, is an Euler step. `spacing` "quadratic" puts steps near the target,
        "quadratic_source" near the source. `time_mean` and `time_std` are those of the normal
        whose sigmoid "logit_normal" times are (arXiv 2403.03206, section 3.1).
        """

        target: Literal["z", "embedding"] = "z"
        source: Literal["noise", "noised_coarse"] = "noise"
        source_std: Annotated[float, Field(gt=0)] = 1.0
        prediction: Literal["x0", "velocity"] = "x0"
        solver: Literal["euler", "midpoint", "heun"] = "euler"
        spacing: Literal["uniform", "quadratic", "quadratic_source"] = "uniform"
        times: Literal["uniform", "logit_normal"] = "uniform"
        time_mean: float = 0.0
        time_std: Annotated[float, Field(gt=0)] = 1.0

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        if params.solver == "heun" and params.prediction == "x0":
            raise MethodError('"heun" needs prediction "velocity": X_0 gives none at t = 0')

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the mean squared error of the network's output, one time per utterance."""
        chosen = self.params
        coarse = self.space.coarse(batch.codes[:, 0])
        target = self.space.aim(batch, chosen.target)
        time = training_times(
            len(target), chosen.times, chosen.time_mean, chosen.time_std, generator, target.device
        )
        noise = normal_like(target, generator)
        source = noise_source(chosen.source, chosen.source_std, coarse, noise)
        current = torch.lerp(target, source, time[:, None, None])
        output = self._output(current, coarse, time, batch.mask, generator)
        goal = target - coarse if chosen.prediction == "x0" else source - target
        return masked_mean((output - goal).square(), batch.mask)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return a sample (B, F, D) of the latent after `nfe` calls, zero on padding."""
        self.check_request(inputs, nfe)
        coarse = self.space.coarse(inputs.x1)
        noise = draw_normal(generators, inputs.mask, self.space.dimension)
        current = noise_source(self.params.source, self.params.source_std, coarse, noise)

        def velocity(current: Tensor, time: Tensor) -> Tensor:
            output = self._output(current, coarse, time.expand(len(coarse)), inputs.mask)
            if self.params.prediction == "velocity":
                return output
            return (current - coarse - output) / time

        sample = self._solve(velocity, current, nfe)
        return self.space.restore(sample) * inputs.mask.unsqueeze(-1)

    def _solve(self, velocity: Velocity, current: Tensor, calls: int) -> Tensor:
        """Solve from X_1 to X_0 with exactly `calls` calls of the velocity."""
        solver = self.params.solver
        steps = calls if solver == "euler" else (calls + 1) // 2
        times = step_times(steps, self.params.spacing).to(current.device)
        for step, (time, earlier) in enumerate(pairwise(times), start=1):
            single = solver != "euler" and step == steps and calls % 2 == 1
            move = STEPS["euler" if single else solver]
            current = move(velocity, current, time, earlier)
        return current


def euler(velocity: Velocity, current: Tensor, time: Tensor, earlier: Tensor) -> Tensor:
    """Step from t to t' < t at the velocity of t."""
    return current - (time - earlier) * velocity(current, time)


def midpoint(velocity: Velocity, current: Tensor, time: Tensor, earlier: Tensor) -> Tensor:
    """Step from t to t' at the velocity of their middle; two calls."""
    middle = (time + earlier) / 2
    halfway = euler(velocity, current, time, middle)
    return current - (time - earlier) * velocity(halfway, middle)


def heun(velocity: Velocity, current: Tensor, time: Tensor, earlier: Tensor) -> Tensor:
    """Step from t to t' at the mean of the velocities of both ends; two calls."""
    first = velocity(current, time)
    second = velocity(current - (time - earlier) * first, earlier)
    return current - (time - earlier) * (first + second) / 2


STEPS = {"euler": euler, "midpoint": midpoint, "heun": heun}
