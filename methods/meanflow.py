"""MeanFlow: the average velocity from noise to the latent, so that one step is enough."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

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
from methods.nets.schedule import noise_source, step_times, training_times
from methods.nets.transformer import Encoder, TimeEmbedding


class MeanFlow(Method):
    """Average velocities of the flow X_t = (1 - t) X_0 + t X_1, X_0 = z, X_1 random.

    With v the flow's velocity, u(X_t, r, t) is its mean over the path from r to t, so that X_r is
    X_t - (t - r) u exactly (arXiv 2505.13447, section 4). It is learnt from u's own identity
    u = v - (t - r) du/dt, where du/dt = (v d/dX + d/dt) u is along the path and taken at the
    current network, exactly, by forward-mode differentiation. The network sees X_t, e(x1), t and
    t - r. The tokens-to-waveform system of arXiv 2606.18072 samples its latents in this way.
    """

    name: ClassVar[str] = "meanflow"
    summary: ClassVar[str] = "Average velocity from noise to z given x1; one step, or any NFE."
    equation: ClassVar[str] = "u = v - (t - r) du/dt; X_0 = X_1 - u(X_1, 0, 1)"
    source: ClassVar[str] = "MeanFlow, arXiv 2505.13447; MeanFlow Token2Wav, arXiv 2606.18072"
    target: ClassVar[str] = "z"
    nfe: ClassVar[int | str] = "any"
    sampling: ClassVar[tuple[str, ...]] = ("spacing",)
    passes: ClassVar[float] = 3.75  # forward-mode costs three passes, over a quarter of the batch

    class Params(Method.Params):
        """Where the flow starts, its steps, the training times and the loss's weights.

        X_1 is `source_std` (in standardised latents) times normal noise, for "noised_coarse" added
        to e(x1). `prediction` "velocity" is the paper's u; "x0" is X_t - t u, given as a residual
        over e(x1), and weighs errors by t^2: the network need not copy the noise from its input,
        which learns faster. Times are embedded multiplied by `time_scale`: at 1 the fastest
        sinusoid turns by 1000 radians over the path, and its slope is most of du/dt.
        In `average_share` of the utterances t and r are two ordered draws of a time;
        elsewhere r = t, where u is v. `time_mean` and `time_std` are those of the normal whose
        sigmoid "logit_normal" times are. An utterance's squared error E (a mean over its frames
        and dimensions) is weighted by 1 / (E + weight_floor)^weight_power (0 turns it off).
        Share, times and weights default to the paper's for ImageNet.
        """

        target: Literal["z", "embedding"] = "z"
        source: Literal["noise", "noised_coarse"] = "noise"
        source_std: Annotated[float, Field(gt=0)] = 1.0
        spacing: Literal["uniform", "quadratic", "quadratic_source"] = "uniform"
        prediction: Literal["x0", "velocity"] = "x0"
        time_scale: Annotated[float, Field(gt=0)] = 0.02
        average_share: Annotated[float, Field(ge=0, le=1)] = 0.25
        times: Literal["uniform", "logit_normal"] = "logit_normal"
        time_mean: float = -0.4
        time_std: Annotated[float, Field(gt=0)] = 1.0
        weight_power: Annotated[float, Field(ge=0)] = 1.0
        weight_floor: Annotated[float, Field(gt=0)] = 1e-3

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        size = space.dimension
        self.time = TimeEmbedding(backbone.width)
        self.span = TimeEmbedding(backbone.width)
        self.network = Encoder(backbone, 2 * size, size, conditioned=True, zero_output=True)

    def networks(self) -> Sequence[nn.Module]:
        """Return the network, called once a step."""
        return (self.network,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the mean squared error of the average velocity.

        Its gradient is that of the weighted error, its value the error itself: weighted, it would
        be near 1 whatever was learnt, and no curve could be read.
        """
        coarse = self.space.coarse(batch.codes[:, 0])
        target = self.space.aim(batch, self.params.target)
        time, span = self._draw_times(len(target), generator, target.device)
        noise = normal_like(target, generator)
        source = noise_source(self.params.source, self.params.source_std, coarse, noise)
        current = torch.lerp(target, source, time[:, None, None])
        velocity = source - target
        change = self._change(current, coarse, velocity, time, span, batch.mask, generator)
        output = self._average(current, coarse, time, span, batch.mask, generator)
        error = output - velocity + change
        if self.params.prediction == "x0":
            error = error * time[:, None, None]
        return self._weigh(error.square(), batch.mask)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return a sample (B, F, D) of the latent after `nfe` steps, zero on padding."""
        self.check_request(inputs, nfe)
        coarse = self.space.coarse(inputs.x1)
        noise = draw_normal(generators, inputs.mask, self.space.dimension)
        current = noise_source(self.params.source, self.params.source_std, coarse, noise)
        times = step_times(nfe, self.params.spacing).to(current.device)
        for time, earlier in pairwise(times):
            span = time - earlier
            moments = time.expand(len(coarse)), span.expand(len(coarse))
            current = current - span * self._average(current, coarse, *moments, inputs.mask)
        return self.space.restore(current) * inputs.mask.unsqueeze(-1)

    def _draw_times(
        self, count: int, generator: torch.Generator, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Draw times t and spans t - r, both (count,); the spans are 0 but for a share."""
        shape, mean, std = self.params.times, self.params.time_mean, self.params.time_std
        first, second = (
            training_times(count, shape, mean, std, generator, device) for _ in range(2)
        )
        averaged = uniform(count, generator, device) <= self.params.average_share
        later = torch.maximum(first, second)
        return torch.where(averaged, later, first), (first - second).abs() * averaged

    @torch.no_grad()
    def _change(
        self,
        current: Tensor,
        coarse: Tensor,
        velocity: Tensor,
        time: Tensor,
        span: Tensor,
        mask: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """Return (t - r) du/dt (B, F, D), computed only where t > r, in full precision.

        r is fixed, so t and t - r grow alike. Attention takes its plain form: the fused kernels
        have no forward-mode derivative.
        """
        change, rows = torch.zeros_like(current), span.nonzero()[:, 0]
        if not len(rows):
            return change

        def average(current: Tensor, time: Tensor, span: Tensor) -> Tensor:
            return self._average(current, coarse[rows], time, span, mask[rows], generator)

        ones = torch.ones_like(time[rows])
        full = torch.autocast(current.device.type, enabled=False)
        with full, sdpa_kernel(SDPBackend.MATH):
            point = current[rows], time[rows], span[rows]
            slope: Tensor = torch.func.jvp(average, point, (velocity[rows], ones, ones))[1]
        change[rows] = span[rows, None, None] * slope
        return change

    def _average(
        self,
        current: Tensor,
        coarse: Tensor,
        time: Tensor,
        span: Tensor,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Estimate u (B, F, D) given X_t, e(x1), times t and spans t - r (B,)."""
        frames, scale = torch.cat((current, coarse), dim=-1), self.params.time_scale
        condition = self.time(scale * time) + self.span(scale * span)
        output: Tensor = self.network(frames, mask, condition, generator)
        if self.params.prediction == "x0":
            return (current - coarse - output) / time[:, None, None]
        return output

    def _weigh(self, error: Tensor, mask: Tensor) -> Tensor:
        """Average squared errors (B, F, D); the gradient sees them weighted per utterance."""
        real = error.detach() * mask.unsqueeze(-1)
        mean = real.sum((1, 2)) / (mask.sum(1).clamp(min=1) * error.shape[-1])
        weight = (mean + self.params.weight_floor).pow(-self.params.weight_power)
        plain = masked_mean(error, mask)
        weighted = masked_mean(error * weight[:, None, None], mask)
        return weighted + (plain - weighted).detach()
