"""The bridge's mathematics, against quadrature and a case solved in closed form.

The case: one dimension, X_0 given X_1 normal with mean m and variance v. The posterior mean of
X_0 given X_t is then linear in X_t, so the sampler's mean and variance follow a recursion.
Expectations below use the design's formulas and numerical integrals of beta, not `Schedule`.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor, nn

from methods.base import Backbone, Batch, LatentSpace
from methods.bridge import Bridge
from methods.nets.schedule import Schedule, step_times

FRAMES = 20_000
SOURCE, MEAN, VARIANCE = 1.5, 0.6, 0.5
BETAS = [(0.0, 0.12), (0.1, 0.3), (0.0, 3.0), (0.5, 0.5)]
SPACINGS = ["uniform", "quadratic", "quadratic_source"]


def integral(schedule: Schedule, low: float, high: float) -> float:
    """Integrate beta by quadrature."""
    points = [0.5] if low < 0.5 < high else None
    return float(quad(lambda t: float(schedule.beta(doubles(t))), low, high, points=points)[0])


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def gain(schedule: Schedule, time: float, deterministic: bool = False) -> float:
    """How far X_0's posterior mean moves with X_t: the regression of one on the other."""
    s2, r2 = integral(schedule, 0, time), integral(schedule, time, 1)
    weight, noise = r2 / (s2 + r2), s2 * r2 / (s2 + r2)
    if deterministic:
        return 1 / weight if weight > 1e-9 else 0.0
    # Cov(X_0, X_t) / Var(X_t); both vanish at t = 1, where X_t says nothing new.
    spread = weight**2 * VARIANCE + noise
    return weight * VARIANCE / spread if spread > 1e-12 else 0.0


class Optimal(nn.Module):
    """The closed-form predictor in the network's place; the condition it is given is t itself."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.schedule, self.params = bridge.schedule, bridge.params
        self.calls = 0

    def forward(
        self, frames: Tensor, mask: Tensor, time: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        self.calls += 1
        current, source = frames.chunk(2, dim=-1)
        outputs = [
            self.change(x, y, t) for x, y, t in zip(current, source, time.tolist(), strict=True)
        ]
        return torch.stack(outputs)

    def change(self, current: Tensor, source: Tensor, time: float) -> Tensor:
        s2, total = integral(self.schedule, 0, time), integral(self.schedule, 0, 1)
        middle = (1 - s2 / total) * MEAN + s2 / total * source
        slope = gain(self.schedule, time, self.params.deterministic)
        predicted = MEAN + slope * (current - middle)
        scale = s2**0.5 if self.params.prediction == "eps" else 1.0
        return (current - predicted) / scale


def optimal_bridge(**params: object) -> Bridge:
    codebooks = torch.full((1, 1, 1), SOURCE)
    space = LatentSpace(codebooks, torch.zeros(1), torch.ones(1), 75.0)
    bridge = Bridge(Bridge.Params.model_validate(params), space, Backbone(layers=1, width=8))
    bridge.network = Optimal(bridge)  # type: ignore[assignment]
    bridge.time = nn.Identity()  # type: ignore[assignment]
    return bridge


def draw(bridge: Bridge, steps: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    source = torch.full((1, FRAMES, 1), SOURCE)
    mask = torch.ones(1, FRAMES, dtype=torch.bool)
    return bridge.sample(source, mask, steps, [generator])


def recursion(bridge: Bridge, steps: int) -> tuple[float, float]:
    """Mean and variance of the sampler's output, from the design's step."""
    schedule, mean, variance = bridge.schedule, SOURCE, 0.0
    for time, earlier in pairwise(step_times(steps, bridge.params.spacing).tolist()):
        s2, kept = integral(schedule, 0, time), integral(schedule, 0, earlier)
        share = s2 / integral(schedule, 0, 1)
        slope = gain(schedule, time)
        predicted = MEAN + slope * (mean - (1 - share) * MEAN - share * SOURCE)
        a2 = s2 - kept
        mean = (a2 * predicted + kept * mean) / (a2 + kept)
        variance = ((a2 * slope + kept) / (a2 + kept)) ** 2 * variance + kept * a2 / (a2 + kept)
    return mean, variance


@pytest.mark.parametrize(("low", "high"), BETAS)
def test_schedule_integrals_match_quadrature(low: float, high: float) -> None:
    schedule = Schedule(low, high)
    times = [0.0, 0.03, 0.25, 0.5, 0.6, 0.97, 1.0]
    s2 = [integral(schedule, 0, time) for time in times]
    r2 = [integral(schedule, time, 1) for time in times]
    torch.testing.assert_close(schedule.s2(doubles(*times)), doubles(*s2), rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(schedule.r2(doubles(*times)), doubles(*r2), rtol=1e-7, atol=1e-9)
    assert schedule.total == pytest.approx(s2[-1])
    assert float(schedule.beta(doubles(0.5))) == pytest.approx(high)
    assert float(schedule.beta(doubles(1.0))) == pytest.approx(low)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_steps_run_from_source_to_target(spacing: str) -> None:
    times = step_times(8, spacing)
    assert times[0] == 1 and times[-1] == 0 and (times.diff() < 0).all()
    gaps = -times.diff()
    dense = {"uniform": gaps[0] - gaps[-1], "quadratic": gaps[-1] - gaps[0]}
    assert dense.get(spacing, gaps[0] - gaps[-1]) <= 1e-6
    assert step_times(1, spacing).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("time", [0.1, 0.5, 0.8, 1.0])
def test_forward_marginals(time: float) -> None:
    bridge = optimal_bridge(beta_max=0.6, beta_min=0.1)
    target, source = torch.full((1, FRAMES, 1), -0.4), torch.full((1, FRAMES, 1), SOURCE)
    change = bridge.draw_change(
        target, source, torch.tensor([time]), torch.Generator().manual_seed(0)
    )
    s2, r2 = integral(bridge.schedule, 0, time), integral(bridge.schedule, time, 1)
    mean, variance = (r2 * -0.4 + s2 * SOURCE) / (s2 + r2), s2 * r2 / (s2 + r2)
    drawn = target + change
    assert float(drawn.mean()) == pytest.approx(mean, abs=5 * (variance / FRAMES) ** 0.5 + 1e-5)
    assert float(drawn.var()) == pytest.approx(variance, rel=0.05, abs=1e-9)


@pytest.mark.parametrize("prediction", ["x0", "eps"])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 5, 16])
def test_sampler_follows_the_exact_recursion(steps: int, spacing: str, prediction: str) -> None:
    bridge = optimal_bridge(beta_max=0.6, beta_min=0.05, spacing=spacing, prediction=prediction)
    mean, variance = recursion(bridge, steps)
    assert mean == pytest.approx(MEAN, abs=1e-6)
    drawn = draw(bridge, steps)
    assert float(drawn.mean()) == pytest.approx(mean, abs=5 * (VARIANCE / FRAMES) ** 0.5)
    assert float(drawn.var()) == pytest.approx(variance, rel=0.05, abs=1e-7)
    assert isinstance(bridge.network, Optimal) and bridge.network.calls == steps


def test_variance_is_recovered_as_steps_grow() -> None:
    bridge = optimal_bridge(beta_max=0.6, spacing="uniform")
    shares = [recursion(bridge, steps)[1] / VARIANCE for steps in (1, 2, 4, 8, 32, 128)]
    assert shares == sorted(shares) and shares[0] == 0 and 0.95 < shares[-1] <= 1


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("prediction", ["x0", "eps"])
def test_one_step_is_the_prediction_of_the_target(prediction: str, deterministic: bool) -> None:
    bridge = optimal_bridge(prediction=prediction, deterministic=deterministic)
    source = torch.full((1, 3, 1), SOURCE)
    mask = torch.ones(1, 3, dtype=torch.bool)
    predicted = bridge.predict_target(source, source, torch.ones(1), mask)
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    assert torch.equal(bridge.sample(source, mask, 1, [generator]), predicted)
    assert torch.equal(generator.get_state(), state), "the last step must draw no noise"
    torch.testing.assert_close(predicted, torch.full_like(source, MEAN))


@pytest.mark.parametrize("prediction", ["x0", "eps"])
@pytest.mark.parametrize("steps", [1, 2, 7, 20])
def test_deterministic_bridge_is_the_posterior_mean(steps: int, prediction: str) -> None:
    bridge = optimal_bridge(deterministic=True, prediction=prediction)
    drawn = draw(bridge, steps)
    torch.testing.assert_close(drawn, torch.full_like(drawn, MEAN), rtol=0, atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.25])
@pytest.mark.parametrize("prediction", ["x0", "eps"])
def test_loss_of_the_optimal_network_is_the_posterior_variance(
    prediction: str, share: float
) -> None:
    bridge = optimal_bridge(beta_max=0.6, beta_min=0.05, prediction=prediction, source_share=share)

    def expected(time: float) -> float:
        s2, r2 = integral(bridge.schedule, 0, time), integral(bridge.schedule, time, 1)
        weight, noise = r2 / (s2 + r2), s2 * r2 / (s2 + r2)
        left = VARIANCE * noise / (weight**2 * VARIANCE + noise)
        return left / s2 if prediction == "eps" else left

    generator = torch.Generator().manual_seed(0)
    z = MEAN + VARIANCE**0.5 * torch.randn(200, 400, 1, generator=generator)
    batch = Batch(
        torch.zeros(200, 1, 400, dtype=torch.long), z, torch.ones(200, 400, dtype=torch.bool)
    )
    # The ends are cut off by a hair: at t = 1 the formula is 0 / 0.
    inside = quad(expected, 1e-6, 1 - 1e-6, limit=200)[0]
    at_source = VARIANCE / integral(bridge.schedule, 0, 1) if prediction == "eps" else VARIANCE
    exact = (1 - share) * inside + share * at_source
    assert float(bridge.loss(batch, generator)) == pytest.approx(exact, rel=0.03)
