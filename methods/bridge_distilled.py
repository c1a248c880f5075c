"""A Schrödinger Bridge distilled to one step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
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
from methods.bridge import Bridge
from methods.nets.schedule import step_times
from methods.nets.transformer import Encoder
from methods.params import MethodError


class BridgeDistilled(Method):
    """One pass from e(x1) plus noise to the sample a trained bridge walks to from that same noise.

    The teacher's path must follow from one draw of noise, or no student could repeat it. It is the
    bridge's implicit one (DBIM, arXiv 2405.15885): X_t has the bridge's marginals at every step,
    but the noise drawn at the first step is carried along instead of drawn anew. The student
    regresses on the path's end. Limits: it learns the teacher's samples at `teacher_steps` calls,
    with too little variance if those are few; its squared error blurs what it cannot work out from
    the noise; and it is better than its teacher only by chance.
    """

    name: ClassVar[str] = "bridge_distilled"
    summary: ClassVar[str] = "A bridge distilled to one pass from the noised coarse embedding."
    equation: ClassVar[str] = "min_f | f(e(x1) + s eps, e(x1)) - bridge(e(x1), eps) |^2"
    source: ClassVar[str] = "knowledge distillation, arXiv 2101.02388; DBIM, arXiv 2405.15885"
    target: ClassVar[str] = "z"
    nfe: ClassVar[int | str] = 1
    teacher: ClassVar[str | None] = "bridge"
    passes: ClassVar[float] = 11.0  # the student's three and the teacher's eight

    class Params(Method.Params):
        """`teacher`: the bridge's own parameters, which may not be those of a deterministic one.

        The teacher walks `teacher_steps` (one would be its regression, without noise), spaced by
        `teacher_spacing`, whatever its own is. `source_std`, in standardised latents, is the noise
        on the student's input: it changes how the noise is read, not what is to be learnt.
        """

        teacher: dict[str, bool | int | float | str] = Field(default_factory=dict)
        teacher_steps: Annotated[int, Field(ge=2)] = 8
        teacher_spacing: Literal["uniform", "quadratic", "quadratic_source"] = "uniform"
        source_std: Annotated[float, Field(gt=0)] = 1.0

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        size = space.dimension
        self.network = Encoder(backbone, 2 * size, size, zero_output=True)
        # In a tuple, so that the teacher's weights are no part of this module's.
        self._teachers: tuple[Bridge, ...] = ()

    def networks(self) -> Sequence[nn.Module]:
        """Return the student alone."""
        return (self.network,)

    def adopt(self, teacher: Method) -> None:
        """Take the trained bridge, frozen, on this method's device.

        Raises MethodError unless it is a stochastic bridge.
        """
        if not isinstance(teacher, Bridge) or teacher.params.deterministic:
            raise MethodError(f"method '{self.name}' distils a stochastic bridge, nothing else")
        teacher.eval().requires_grad_(False).to(self.space.mean.device)
        self._teachers = (teacher,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the mean squared distance to the teacher's samples for the same noise.

        Raises MethodError before a teacher is adopted.
        """
        if not self._teachers:
            raise MethodError(f"method '{self.name}' trains only after it adopted its teacher")
        noise = normal_like(batch.z, generator)
        aim = self._teach(batch.codes[:, 0], batch.mask, noise)
        output = self._student(batch.codes[:, 0], batch.mask, noise, generator)
        return masked_mean((output - self.space.standardise(aim)).square(), batch.mask)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return a sample (B, F, D) of the latent, zero on padding."""
        self.check_request(inputs, nfe)
        noise = draw_normal(generators, inputs.mask, self.space.dimension)
        sample = self._student(inputs.x1, inputs.mask, noise)
        return self.space.restore(sample) * inputs.mask.unsqueeze(-1)

    @torch.no_grad()
    def _teach(self, x1: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
        """Return the teacher's latent (B, F, D), standardised and restored by its own space."""
        space = self._teachers[0].space
        source = space.coarse(x1)
        times = step_times(self.params.teacher_steps, self.params.teacher_spacing).to(source.device)
        return space.restore(implicit_path(self._teachers[0], source, mask, noise, times))

    def _student(
        self, x1: Tensor, mask: Tensor, noise: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        coarse = self.space.coarse(x1)
        frames = torch.cat((coarse + self.params.source_std * noise, coarse), dim=-1)
        residual: Tensor = self.network(frames, mask, generator=generator)
        return coarse + residual


def implicit_path(
    bridge: Bridge, source: Tensor, mask: Tensor, noise: Tensor, times: Tensor
) -> Tensor:
    """Walk from X_1 (B, F, D) to X_0 with one draw of `noise`, one network call a step.

    X_t' = (1 - c') X_0_hat + c' X_1 + sqrt(v') eps_hat, where c' and v' are X_1's weight and the
    variance of q(X_t' | X_0, X_1), and eps_hat is the noise in X_t by the same formula: at the
    first step `noise` itself, for X_1 holds none (DBIM, arXiv 2405.15885, with its rho = 0).
    """
    current, carried = source, noise
    for step, (time, earlier) in enumerate(pairwise(times)):
        predicted = bridge.predict_target(current, source, time.expand(len(source)), mask)
        if step > 0:
            weight, variance = bridge.schedule.marginal(time)
            carried = (current - torch.lerp(predicted, source, weight)) / variance.sqrt()
        weight, variance = bridge.schedule.marginal(earlier)
        current = torch.lerp(predicted, source, weight) + variance.sqrt() * carried
    return current
