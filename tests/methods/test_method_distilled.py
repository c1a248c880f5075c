"""The distilled bridge: its teacher's implicit path in closed form, and what it learns of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from linear_gaussian import (
    FRAMES,
    POSTERIORS,
    SLOPE,
    SOURCES,
    TINY,
    VARIANCE,
    Moments,
    assert_moments,
    batch,
    gain,
    inputs,
    space,
)
from pydantic import ValidationError
from test_method_bridge import areas, optimal_bridge
from test_method_learning import data
from torch import Tensor, nn

from methods.base import Backbone, Inputs, Method, MethodError
from methods.bridge import Bridge
from methods.bridge_distilled import BridgeDistilled, implicit_path
from methods.nets.schedule import step_times
from methods.regression import Regression

SPACINGS = ["uniform", "quadratic", "quadratic_source"]


def path(bridge: Bridge, steps: int, spacing: str, frames: int = FRAMES) -> tuple[Tensor, Tensor]:
    """The noise (sources, frames) and where the teacher's path leads it."""
    given = inputs(frames)
    source = space().embed(given.x1.unsqueeze(1))
    noise = torch.randn(source.shape, generator=torch.Generator().manual_seed(0))
    times = step_times(steps, spacing)
    return noise[..., 0], implicit_path(bridge, source, given.mask, noise, times)[..., 0]


def carried(bridge: Bridge, steps: int, spacing: str) -> float:
    """By how much the end moves with the noise: the path is affine in it.

    What of X_t is noise is sqrt(v) of it, so X_t' = ... + sqrt(v' / v) of X_t less X_0_hat's part.
    """
    moved = 0.0
    for place, (time, earlier) in enumerate(pairwise(step_times(steps, spacing).tolist())):
        (s2, r2), (s2_, r2_) = areas(bridge.schedule, time), areas(bridge.schedule, earlier)
        total = s2 + r2
        v, v_ = s2 * r2 / total, s2_ * r2_ / total
        slope = gain(r2 / total, v)
        if place == 0:
            moved = v_**0.5
        else:
            moved *= r2_ / total * slope + (v_ / v) ** 0.5 * (1 - r2 / total * slope)
    return moved


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [2, 3, 5, 8, 16])
def test_the_teachers_path_follows_the_exact_recursion(steps: int, spacing: str) -> None:
    bridge = optimal_bridge(beta_max=0.6)
    exact = carried(bridge, steps, spacing)
    noise, end = path(bridge, steps, spacing)
    means = SLOPE * torch.tensor(SOURCES)[:, None]
    torch.testing.assert_close(end, means + exact * noise, rtol=0, atol=2e-3)
    assert_moments(end, [Moments(row.mean, exact**2) for row in POSTERIORS])


def test_the_path_recovers_the_variance_sooner_than_fresh_noise() -> None:
    bridge = optimal_bridge()
    shares = [carried(bridge, steps, "uniform") ** 2 / VARIANCE for steps in (2, 4, 8, 16, 64, 512)]
    assert shares == sorted(shares) and 0.98 < shares[-1] <= 1
    assert 0.5 < shares[2] < 0.75, "what the default of 8 steps gives"


def test_two_steps_are_the_stochastic_bridges() -> None:
    """With one draw there is nothing to carry: the implicit path is the sampler itself."""
    bridge, given = optimal_bridge(), inputs(50)
    source = space().embed(given.x1.unsqueeze(1))
    generators = [torch.Generator().manual_seed(row) for row in range(len(SOURCES))]
    drawn = bridge.sample(source, given.mask, 2, generators)
    again = [torch.Generator().manual_seed(row) for row in range(len(SOURCES))]
    noise = torch.stack([torch.randn(50, 1, generator=generator) for generator in again])
    times = step_times(2, bridge.params.spacing)
    made = implicit_path(bridge, source, given.mask, noise, times)
    torch.testing.assert_close(made, drawn, rtol=0, atol=1e-5)


class Affine(nn.Module):
    """A student that knows the path: its residual over e(x1), given both inputs."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(
        self, frames: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        noised, coarse = frames.chunk(2, dim=-1)
        return (SLOPE - 1) * coarse + self.share * (noised - coarse)


def test_a_student_can_repeat_its_teacher_exactly() -> None:
    method = BridgeDistilled(BridgeDistilled.Params(teacher_steps=5), space(), TINY)
    bridge = optimal_bridge()
    method.adopt(bridge)
    method.network = Affine(carried(bridge, 5, "uniform"))  # type: ignore[assignment]
    loss = method.loss(batch(100, 2), torch.Generator().manual_seed(0))
    assert float(loss) < 1e-5
    method.network = Affine(0.0)  # type: ignore[assignment]
    mean_only = method.loss(batch(2000, 2), torch.Generator().manual_seed(0))
    assert float(mean_only) == pytest.approx(carried(bridge, 5, "uniform") ** 2, rel=0.1)


def test_the_teacher_is_frozen_counted_and_no_submodule() -> None:
    method = BridgeDistilled(BridgeDistilled.Params(), space(), TINY)
    own = list(method.state_dict())
    bridge = Bridge(Bridge.Params(), space(), TINY)
    calls: list[nn.Module] = []
    bridge.network.register_forward_hook(lambda module, *_: calls.append(module))
    method.adopt(bridge)
    torch.autograd.backward(method.loss(batch(10, 2), torch.Generator().manual_seed(0)))
    assert len(calls) == BridgeDistilled.Params().teacher_steps
    assert BridgeDistilled.passes == 3 + len(calls)
    assert list(method.state_dict()) == own and not bridge.training
    assert all(p.grad is None and not p.requires_grad for p in bridge.parameters())


def test_what_cannot_be_distilled_is_refused() -> None:
    method = BridgeDistilled(BridgeDistilled.Params(), space(), TINY)
    with pytest.raises(MethodError, match="adopted"):
        method.loss(batch(5, 1), torch.Generator())
    others: list[Method] = [Regression(Regression.Params(), space(), TINY)]
    others.append(Bridge(Bridge.Params(deterministic=True), space(), TINY))
    for other in others:
        with pytest.raises(MethodError, match="stochastic bridge"):
            method.adopt(other)
    for wrong in ({"source_std": 0.0}, {"teacher_steps": 1}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            BridgeDistilled.Params.model_validate(wrong)


def fit(method: Method, steps: int) -> None:
    given, generator = data()[1], torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(method.parameters(), lr=2e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.autograd.backward(method.train().loss(given, generator))
        optimiser.step()
    method.eval()


@pytest.mark.slow
def test_the_student_learns_its_teachers_samples() -> None:
    """The teacher is not trained to the end, so that its samples vary with the noise to learn."""
    torch.manual_seed(0)
    latents, given = data()
    teacher = Bridge(Bridge.Params(), latents, Backbone(layers=2, width=64))
    fit(teacher, 500)
    method = BridgeDistilled(BridgeDistilled.Params(), latents, Backbone(layers=2, width=64))
    method.adopt(teacher)
    fit(method, 400)
    generators = [torch.Generator().manual_seed(seed) for seed in range(len(given.z))]
    with torch.no_grad():
        end = method.resynthesize(Inputs(given.codes[:, 0], given.mask), 1, generators)
        noise = torch.stack(
            [
                torch.randn(z.shape, generator=torch.Generator().manual_seed(i))
                for i, z in enumerate(given.z)
            ]
        )
        aim = method._teach(given.codes[:, 0], given.mask, noise)
        other = method._teach(given.codes[:, 0], given.mask, noise.flip(0))
    assert isinstance(end, Tensor)
    coarse = (latents.embed(given.codes[:, :1]) - given.z).square().mean()
    missed, varied = (end - aim).square().mean(), (other - aim).square().mean()
    error = (end - given.z).square().mean()
    print(
        "of coarse's error:", float(error / coarse), float(missed / coarse), float(varied / coarse)
    )
    assert error < 0.1 * coarse and missed < 0.2 * varied
