"""A regression for the content, and a bridge for what it leaves out, in one network."""

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
    masked_mean,
    normal_like,
    uniform,
)
from methods.nets.schedule import Schedule, step_times
from methods.nets.transformer import Encoder, TimeEmbedding


class Hybrid(Method):
    """One call regresses m(x1); the others bridge from X_1 = m(x1) to X_0 = z.

    The paper finds the best WER in regression and the best MOS in the bridge. Here the bridge
    starts from the regression instead of the coarse embedding, so it need only add what x1 leaves
    open: r = z - m(x1), of zero mean once m is the posterior mean. The output is
    m + strength * (sample - m). With a perfect sampler of r's conditional variance v, the
    squared error is v (1 + strength^2): 0 is the regression, 1 a sample of the posterior, and
    between them spread is bought with error at the best rate.

    Regression and bridge share one network, told apart by its condition: a learned vector for the
    first, the time for the second. The bridge's loss does not reach m. NFE 1 is the regression;
    at NFE 2 the bridge makes one step, which by itself has no spread and aims at m again.
    """

    name: ClassVar[str] = "hybrid"
    summary: ClassVar[str] = "Regression first, then a bridge from it to z; any NFE."
    equation: ClassVar[str] = "m + s (X_0 - m), X_0 from the bridge between X_1 = m(x1) and z"
    source: ClassVar[str] = "this project; arXiv 2410.22448 and I2SB, arXiv 2302.05872"
    target: ClassVar[str] = "z"
    nfe: ClassVar[int | str] = "any"
    sampling: ClassVar[tuple[str, ...]] = ("strength", "spacing")
    passes: ClassVar[float] = 6.0

    class Params(Method.Params):
        """`strength`: the share of the stochastic residual that is added; the bridge's schedule.

        Where the residual is normal and the network optimal, its sampler's variance follows a
        recursion (tests/methods/test_method_hybrid.py): it is nearest to v when the schedule's
        integral, beta_max / 3 here, is near v and the steps are uniform. At v = 0.3, which the
        defaults suit, 7 steps reach half of v and 31 steps 84 %.
        """

        strength: Annotated[float, Field(ge=0, le=1)] = 1.0
        beta_max: Annotated[float, Field(gt=0)] = 0.6
        beta_min: Annotated[float, Field(ge=0)] = 0.0
        spacing: Literal["uniform", "quadratic", "quadratic_source"] = "uniform"

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        self.schedule = Schedule(params.beta_min, params.beta_max)
        size = space.dimension
        self.regress = nn.Parameter(torch.randn(backbone.width))
        self.time = TimeEmbedding(backbone.width)
        self.network = Encoder(backbone, 3 * size, size, conditioned=True, zero_output=True)

    def networks(self) -> Sequence[nn.Module]:
        """Return the network that regresses once and then is called once per step."""
        return (self.network,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the regression's squared error plus that of the bridge's X_0 prediction."""
        coarse, target = self.space.coarse(batch.codes[:, 0]), self.space.standardise(batch.z)
        mean = self.predict_mean(coarse, batch.mask, generator)
        source = mean.detach()
        time = uniform(len(source), generator, source.device)
        change = self.schedule.change(target, source, time, normal_like(target, generator))
        output = self._output(
            target + change, source, coarse, self.time(time), batch.mask, generator
        )
        errors = (mean - target).square() + (source + output - target).square()
        return masked_mean(errors, batch.mask)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return the regression plus `strength` of the residual (B, F, D), zero on padding."""
        self.check_request(inputs, nfe)
        coarse = self.space.coarse(inputs.x1)
        mean = self.predict_mean(coarse, inputs.mask)
        latent = mean
        if nfe > 1:
            sample = self.sample(mean, coarse, inputs.mask, nfe - 1, generators)
            latent = mean + self.params.strength * (sample - mean)
        return self.space.restore(latent) * inputs.mask.unsqueeze(-1)

    def predict_mean(
        self, coarse: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Regress the standardised z (B, F, D) on the coarse embedding."""
        condition = self.regress.expand(len(coarse), -1)
        return coarse + self._output(coarse, coarse, coarse, condition, mask, generator)

    def sample(
        self,
        source: Tensor,
        coarse: Tensor,
        mask: Tensor,
        steps: int,
        generators: Sequence[torch.Generator],
    ) -> Tensor:
        """Walk from X_1 (B, F, D) to X_0 (I2SB, algorithm 2), one network call a step."""
        times = step_times(steps, self.params.spacing).to(source.device)

        def predict(current: Tensor, time: Tensor) -> Tensor:
            return source + self._output(current, source, coarse, self.time(time), mask)

        return self.schedule.walk(predict, source, mask, times, generators)

    def _output(
        self,
        current: Tensor,
        source: Tensor,
        coarse: Tensor,
        condition: Tensor,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Estimate the residual z - m(x1), or under the regression's condition z - e(x1).

        A residual over what is known: the network need not copy the noise from its input.
        """
        frames = torch.cat((current, source, coarse), dim=-1)
        output: Tensor = self.network(frames, mask, condition, generator)
        return output
