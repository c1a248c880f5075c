"""A case solved in closed form: X_0 = SLOPE e(x1) + noise of VARIANCE, one dimension.

All samplers here move affinely when the network is the optimal one, so the mean and the variance
of what they make follow a recursion, one `Moments` step a step, which shares no code with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.integrate import quad
from torch import Tensor, nn

from methods.base import Backbone, Batch, Inputs, LatentSpace, Method

SLOPE, VARIANCE = 0.4, 0.5
SOURCES = (-1.0, 0.5, 1.5)
FRAMES = 20_000
TINY = Backbone(layers=1, width=8, heads=2)

# The optimal network's output for X_t and e(x1) of one utterance, at its time or times.
Answer = Callable[..., Tensor]


@dataclass(frozen=True)
class Moments:
    """Mean and variance of a scalar."""

    mean: float
    variance: float

    def step(self, gain: float, shift: float, noise: float = 0.0) -> Moments:
        """Those of gain X + shift + fresh noise of variance `noise`."""
        return Moments(gain * self.mean + shift, gain**2 * self.variance + noise)


POSTERIORS = tuple(Moments(SLOPE * source, VARIANCE) for source in SOURCES)


class Optimal(nn.Module):
    """The closed-form predictor in the network's place; its condition is the times themselves."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer, self.calls = answer, 0

    def forward(
        self, frames: Tensor, mask: Tensor, times: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        self.calls += 1
        current, coarse = frames.chunk(2, dim=-1)
        rows = zip(current, coarse, times, strict=True)
        return torch.stack([self.answer(x, y, *time) for x, y, time in rows])


class Column(nn.Module):
    """In the place of a time embedding: times (B,) in one column of (B, 2), which sums keep."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def forward(self, time: Tensor) -> Tensor:
        columns = [torch.zeros_like(time), torch.zeros_like(time)]
        columns[self.place] = time
        return torch.stack(columns, dim=-1)


def space() -> LatentSpace:
    books = torch.tensor(SOURCES).view(1, len(SOURCES), 1)
    return LatentSpace(books, torch.zeros(1), torch.ones(1), 75.0, 24_000)


def optimal(kind: type[Method], answer: Answer, **params: object) -> Method:
    """The method with the optimal network, which gets X_t, e(x1), and t and the span or 0."""
    method = kind(kind.Params.model_validate(params), space(), TINY).eval()
    for place, name in enumerate(("time", "span")):
        if hasattr(method, name):
            setattr(method, name, Column(place))
    method.network = Optimal(answer)
    return method


def inputs(frames: int = FRAMES) -> Inputs:
    """One utterance per source."""
    x1 = torch.arange(len(SOURCES))[:, None].expand(-1, frames)
    return Inputs(x1, torch.ones_like(x1, dtype=torch.bool))


def batch(frames: int, repeats: int, seed: int = 0) -> Batch:
    """Training data, each source in `repeats` utterances."""
    given = inputs(frames)
    codes = given.x1.unsqueeze(1).repeat(repeats, 1, 1)
    noise = torch.randn(len(codes), frames, 1, generator=torch.Generator().manual_seed(seed))
    z = SLOPE * space().embed(codes) + VARIANCE**0.5 * noise
    return Batch(codes, z, torch.ones(len(codes), frames, dtype=torch.bool))


def sample(method: Method, nfe: int, frames: int = FRAMES) -> Tensor:
    """Draw (sources, frames) and check that so many calls were made."""
    assert isinstance(method.network, Optimal)
    before = method.network.calls
    generators = [torch.Generator().manual_seed(seed) for seed in range(len(SOURCES))]
    result = method.resynthesize(inputs(frames), nfe, generators)
    assert isinstance(result, Tensor) and method.network.calls - before == nfe
    return result[..., 0]


def assert_moments(drawn: Tensor, expected: list[Moments]) -> None:
    """Check each row's mean and variance within 5 standard errors, and rounding."""
    for row, exact in zip(drawn.double(), expected, strict=True):
        error = 5 * (exact.variance / row.numel()) ** 0.5
        assert abs(float(row.mean()) - exact.mean) < error + 1e-4
        relative = 5 * (2 / row.numel()) ** 0.5
        assert abs(float(row.var()) - exact.variance) < relative * exact.variance + 1e-5


def gain(weight: float, noise: float) -> float:
    """How far X_0's posterior mean moves with X_t = weight X_0 + known + normal of variance noise.

    The regression of one on the other; 0 where X_t says nothing of X_0.
    """
    spread = weight**2 * VARIANCE + noise
    return weight * VARIANCE / spread if spread > 1e-12 else 0.0


def posterior_mean(
    observed: Tensor, weight: float, known: Tensor, noise: float, coarse: Tensor
) -> Tensor:
    """X_0's mean given x1 and X_t = weight X_0 + known + normal of variance noise."""
    mean = SLOPE * coarse
    return mean + gain(weight, noise) * (observed - weight * mean - known)


def integral(rate: Callable[[Tensor], Tensor], low: float, high: float) -> float:
    """Integrate a schedule's rate, which may have a kink at 1/2, by quadrature."""
    points = [0.5] if low < 0.5 < high else None

    def value(time: float) -> float:
        return float(rate(torch.tensor(time, dtype=torch.float64)))

    return float(quad(value, low, high, points=points)[0])
