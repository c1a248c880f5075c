"""Noise schedules and their Gaussians in closed form, and the times that samplers visit.

t = 0 is the target X_0 and t = 1 the source X_1. Times are tensors of any shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from methods.base import draw_normal, uniform

Predict = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Schedule:
    """The bridge's noise rate beta(t) and its integrals, for beta_max > 0 and beta_min >= 0.

    The rate is symmetric on [0, 1]: sqrt(beta) rises linearly from sqrt(beta_min) at t = 0 to
    sqrt(beta_max) at t = 1/2 and mirrors it down again (I2SB, arXiv 2302.05872, section 4 and its
    released code).
    """

    beta_min: float
    beta_max: float

    @property
    def total(self) -> float:
        """Return s2(1) = r2(0)."""
        low, high = math.sqrt(self.beta_min), math.sqrt(self.beta_max)
        return (low * low + low * high + high * high) / 3

    def beta(self, time: Tensor) -> Tensor:
        """Return the rate at t."""
        low, high = math.sqrt(self.beta_min), math.sqrt(self.beta_max)
        return (low + 2 * (high - low) * torch.minimum(time, 1 - time)).square()

    def s2(self, time: Tensor) -> Tensor:
        """Return the integral of beta over [0, t]."""
        near = self._from_end(torch.minimum(time, 1 - time))
        return torch.where(time <= 0.5, near, self.total - near)

    def r2(self, time: Tensor) -> Tensor:
        """Return the integral of beta over [t, 1]; by symmetry that over [0, 1 - t]."""
        return self.s2(1 - time)

    def marginal(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """Return X_1's weight in the mean of q(X_t | X_0, X_1), and its variance (I2SB, eq. 11)."""
        weight = self.s2(time) / self.total
        return weight, weight * self.r2(time)

    def posterior(self, time: Tensor, earlier: Tensor) -> tuple[Tensor, Tensor]:
        """Return X_t's weight in the mean of p(X_t' | X_0, X_t), t' < t, and its variance.

        With a2 = s2(t) - s2(t'), the weights are a2 / s2(t) on X_0 and s2(t') / s2(t) on X_t
        (I2SB, eq. 4).
        """
        weight = self.s2(earlier) / self.s2(time)
        return weight, self.s2(earlier) * (1 - weight)

    def change(self, target: Tensor, source: Tensor, time: Tensor, noise: Tensor | None) -> Tensor:
        """Return X_t - X_0 (B, F, D) at times (B,) for a draw of noise; without, its mean.

        The difference, not X_t, because at small t the two are too close to subtract.
        """
        weight, variance = (part[:, None, None] for part in self.marginal(time))
        mean = weight * (source - target)
        return mean if noise is None else mean + variance.sqrt() * noise

    def walk(
        self,
        predict: Predict,
        source: Tensor,
        mask: Tensor,
        times: Tensor,
        generators: Sequence[torch.Generator] | None,
    ) -> Tensor:
        """Walk from X_1 (B, F, D) to X_0 over `times` (I2SB, algorithm 2).

        `predict` gives X_0 from X_t and times (B,). No noise is drawn at the last step; without
        generators none at all, which is the OT-ODE (section 3.3).
        """
        current = source
        for left, (time, earlier) in enumerate(pairwise(times), start=2 - len(times)):
            predicted = predict(current, time.expand(len(source)))
            weight, variance = self.posterior(time, earlier)
            current = torch.lerp(predicted, current, weight)
            if generators is not None and left < 0:
                noise = draw_normal(generators, mask, source.shape[-1])
                current = current + variance.sqrt() * noise
        return current

    def _from_end(self, time: Tensor) -> Tensor:
        """Integrate beta over [0, t] for t <= 1/2."""
        low, slope = (
            math.sqrt(self.beta_min),
            2 * (math.sqrt(self.beta_max) - math.sqrt(self.beta_min)),
        )
        return time * (low * low + time * (low * slope + time * slope * slope / 3))


@dataclass(frozen=True)
class VariancePreserving:
    """Diffusion X_t = signal(t) X_0 + noise(t) eps, where signal^2 + noise^2 = 1.

    "cosine": the angle whose cosine is the signal rises linearly (arXiv 2102.09672, eq. 17, without
    its offset). "linear": the rate beta rises linearly from 1 to 200 times its start, as in DDPM
    (arXiv 2006.11239) and its continuous limit (arXiv 2011.13456, appendix C). Both leave the
    signal `terminal`, in (0, 1), at t = 1.
    """

    kind: str
    terminal: float

    def signal(self, time: Tensor) -> Tensor:
        """Return X_0's weight at t."""
        if self.kind == "cosine":
            return (math.acos(self.terminal) * time).cos()
        return self._log_signal(time).exp()

    def noise(self, time: Tensor) -> Tensor:
        """Return the standard deviation of X_t given X_0."""
        if self.kind == "cosine":
            return (math.acos(self.terminal) * time).sin()
        return (-torch.expm1(2 * self._log_signal(time))).sqrt()

    def _log_signal(self, time: Tensor) -> Tensor:
        """Return minus half the integral of the linear rate over [0, t]."""
        return math.log(self.terminal) * time * (1 + 99.5 * time) / 100.5


def step_times(steps: int, spacing: str) -> Tensor:
    """Return steps + 1 times from 1 down to 0, spaced "uniform" or quadratically.

    "quadratic" is dense near the target (t = i^2 / n^2); "quadratic_source" near the source.
    """
    line = torch.linspace(1, 0, steps + 1)
    if spacing == "quadratic":
        return line.square()
    return line if spacing == "uniform" else 1 - (1 - line).square()


def training_times(
    count: int,
    shape: str,
    mean: float,
    std: float,
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    """Draw times (count,) in (0, 1], "uniform" or "logit_normal", spread evenly over the batch.

    Logit-normal times are sigmoid(mean + std * normal) (arXiv 2403.03206, section 3.1).
    """
    # Rounding can make a time 0, where X_0 gives no velocity.
    times = uniform(count, generator, device).clamp(min=1e-6)
    return times if shape == "uniform" else (mean + std * torch.special.ndtri(times)).sigmoid()


def noise_source(kind: str, std: float, coarse: Tensor, noise: Tensor) -> Tensor:
    """Return where a flow starts, X_1 (B, F, D): "noise" alone or "noised_coarse".

    Never the bare coarse embedding: from there a flow has one path per x1, and ends at the mean.
    """
    return std * noise if kind == "noise" else coarse + std * noise
