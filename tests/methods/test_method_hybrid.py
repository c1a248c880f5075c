"""The hybrid's mathematics in a case solved in closed form, and how it treats its two parts.

The case: one dimension, z given x1 normal with mean MEAN and variance VARIANCE, the regression
exact. The posterior mean of X_0 given X_t is then linear in X_t, so the sample's mean stays MEAN
and its variance follows a recursion over the steps, written here with the design's formulas.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, Inputs, LatentSpace
from methods.hybrid import Hybrid
from methods.nets.schedule import Schedule, step_times

FRAMES = 20_000
COARSE, MEAN, VARIANCE = 1.5, 0.6, 0.3


class Optimal(nn.Module):
    """The closed-form predictor; its condition is t (B,), or a vector (B, W) to regress."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule

    def forward(
        self,
        frames: Tensor,
        mask: Tensor,
        condition: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        current, source, coarse = frames.chunk(3, dim=-1)
        if condition.dim() == 2:
            return MEAN - coarse
        return (current - source) * gain(self.schedule, float(condition[0]))


def gain(schedule: Schedule, time: float) -> float:
    """How far X_0's posterior mean moves with X_t, the source being the mean."""
    s2, r2 = (float(part(torch.tensor(time))) for part in (schedule.s2, schedule.r2))
    weight, noise = r2 / (s2 + r2), s2 * r2 / (s2 + r2)
    spread = weight**2 * VARIANCE + noise
    return weight * VARIANCE / spread if spread > 1e-12 else 0.0


def recursion(schedule: Schedule, steps: int, spacing: str) -> float:
    """The variance of the sampler's output."""
    variance = 0.0
    for time, earlier in pairwise(step_times(steps, spacing).tolist()):
        s2, kept = (float(schedule.s2(torch.tensor(t))) for t in (time, earlier))
        a2 = s2 - kept
        slope = (a2 * gain(schedule, time) + kept) / s2
        variance = slope**2 * variance + kept * a2 / s2
    return variance


def hybrid(**params: object) -> Hybrid:
    space = LatentSpace(torch.full((1, 1, 1), COARSE), torch.zeros(1), torch.ones(1), 75.0, 24_000)
    chosen = Hybrid.Params.model_validate(params)
    return Hybrid(chosen, space, Backbone(layers=1, width=8)).eval()


def optimal(**params: object) -> Hybrid:
    method = hybrid(**params)
    method.network = Optimal(method.schedule)  # type: ignore[assignment]
    method.time = nn.Identity()  # type: ignore[assignment]
    return method


def draw(method: Hybrid, nfe: int, seed: int = 0, frames: int = FRAMES) -> Tensor:
    one = torch.zeros(1, frames, dtype=torch.int64)
    with torch.no_grad():
        result = method.resynthesize(
            Inputs(one, one == 0), nfe, [torch.Generator().manual_seed(seed)]
        )
    assert isinstance(result, Tensor)
    return result


@pytest.mark.parametrize("params", [{}, {"beta_max": 3.0, "spacing": "quadratic"}])
@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("nfe", [2, 3, 8, 32])
def test_samples_have_the_mean_and_variance_of_the_recursion(
    nfe: int, strength: float, params: dict[str, object]
) -> None:
    method = optimal(strength=strength, **params)
    drawn = draw(method, nfe)
    expected = strength**2 * recursion(method.schedule, nfe - 1, method.params.spacing)
    # 5 standard errors of a mean and of a normal sample's variance.
    assert float(drawn.mean()) == pytest.approx(MEAN, abs=5 * (expected / FRAMES) ** 0.5 + 1e-5)
    assert float(drawn.var()) == pytest.approx(expected, rel=5 * (2 / FRAMES) ** 0.5, abs=1e-9)


def test_the_documented_variances_of_the_default_schedule() -> None:
    defaults = Hybrid.Params()
    schedule = Schedule(defaults.beta_min, defaults.beta_max)
    shares = [recursion(schedule, steps, defaults.spacing) / VARIANCE for steps in (1, 7, 31)]
    assert shares == pytest.approx([0, 0.5, 0.84], abs=0.01)


def test_one_call_is_the_regression_and_draws_nothing() -> None:
    method = optimal()
    assert torch.allclose(draw(method, 1), torch.tensor(MEAN))
    assert torch.equal(draw(method, 1, seed=1), draw(method, 1, seed=2))
    assert not torch.equal(draw(method, 8, seed=1), draw(method, 8, seed=2))


@pytest.mark.parametrize("nfe", [2, 5])
def test_no_strength_is_the_regression_and_half_is_half_way(nfe: int) -> None:
    torch.manual_seed(0)
    methods = [hybrid(strength=strength) for strength in (0.0, 0.5, 1.0)]
    for parameter in methods[0].parameters():
        nn.init.normal_(parameter, std=0.3)
    for method in methods[1:]:
        method.load_state_dict(methods[0].state_dict())
    none, half, full = (draw(method, nfe, frames=40) for method in methods)
    mean = draw(methods[2], 1, frames=40)
    assert torch.equal(none, mean)
    assert (full - mean).abs().max() > 0.01
    torch.testing.assert_close(half, (mean + full) / 2)


def test_the_bridge_does_not_train_the_regression_it_starts_from() -> None:
    torch.manual_seed(0)
    method = hybrid().train()
    for parameter in method.parameters():
        nn.init.normal_(parameter, std=0.3)
    generator = torch.Generator().manual_seed(0)
    z, mask = torch.randn(4, 30, 1), torch.ones(4, 30, dtype=torch.bool)
    batch = Batch(torch.zeros(4, 1, 30, dtype=torch.int64), z, mask)
    torch.autograd.backward(method.loss(batch, generator))
    assert method.regress.grad is not None
    # Only the regression's call reads this parameter, so nothing else may give it a gradient.
    both = method.regress.grad.clone()
    method.regress.grad = None
    mean = method.predict_mean(torch.full_like(z, COARSE), mask)
    torch.autograd.backward((mean - z).square().mean())
    assert both.abs().max() > 0
    torch.testing.assert_close(both, method.regress.grad)


@pytest.mark.slow
def test_it_learns_to_reach_z_at_every_nfe() -> None:
    torch.manual_seed(0)
    count, size, dimension, frames = 4, 16, 8, 30
    generator = torch.Generator().manual_seed(0)
    books = torch.randn(count, size, dimension, generator=generator)
    books *= 0.6 ** torch.arange(count)[:, None, None]
    codes = torch.randint(0, size, (4, count, frames), generator=generator)
    space = LatentSpace(books, torch.zeros(dimension), torch.ones(dimension), 75.0, 24_000)
    batch = Batch(codes, space.embed(codes), torch.ones(4, frames, dtype=torch.bool))
    method = Hybrid(Hybrid.Params(), space, Backbone(layers=2, width=64)).train()
    optimiser = torch.optim.AdamW(method.parameters(), lr=2e-3)
    for _ in range(500):
        optimiser.zero_grad()
        torch.autograd.backward(method.loss(batch, generator))
        optimiser.step()
    coarse = (space.embed(codes[:, :1]) - batch.z).square().mean()
    generators = [torch.Generator().manual_seed(seed) for seed in range(4)]
    for nfe in (1, 2, 8):
        with torch.no_grad():
            given = Inputs(codes[:, 0], batch.mask)
            result = method.eval().resynthesize(given, nfe, generators)
        assert isinstance(result, Tensor)
        error = (result - batch.z).square().mean() / coarse
        print("hybrid", nfe, float(error))
        assert error < 0.1, f"NFE {nfe}"
