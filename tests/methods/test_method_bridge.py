"""The bridge's mathematics, against quadrature and the case solved in closed form.

Expectations use the design's formulas and numerical integrals of beta, not `Schedule`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import pytest
import torch
from linear_gaussian import (
    FRAMES,
    POSTERIORS,
    SLOPE,
    SOURCES,
    VARIANCE,
    Moments,
    assert_moments,
    batch,
    gain,
    inputs,
    integral,
    optimal,
    posterior_mean,
    sample,
    space,
)
from scipy.integrate import quad
from torch import Tensor

from methods.base import normal_like
from methods.bridge import Bridge
from methods.nets.schedule import Schedule, step_times

BETAS = [(0.0, 0.12), (0.1, 0.3), (0.0, 3.0), (0.5, 0.5)]
SPACINGS = ["uniform", "quadratic", "quadratic_source"]
PREDICTIONS = ["x0", "eps", "velocity"]
every_prediction = pytest.mark.parametrize("prediction", PREDICTIONS)


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def areas(schedule: Schedule, time: float) -> tuple[float, float]:
    """s2(t) and r2(t) by quadrature."""
    return integral(schedule.beta, 0, time), integral(schedule.beta, time, 1)


def optimal_bridge(**params: object) -> Bridge:
    chosen = Bridge.Params.model_validate(params)
    schedule = Schedule(chosen.beta_min, chosen.beta_max)

    def answer(current: Tensor, source: Tensor, time: Tensor, _: Tensor) -> Tensor:
        s2, r2 = areas(schedule, float(time))
        weight, known, noise = r2 / (s2 + r2), s2 / (s2 + r2) * source, s2 * r2 / (s2 + r2)
        if chosen.deterministic:
            # X_t is a mean of X_0 and X_1, from which X_0 is read off wherever it counts.
            predicted = (current - known) / weight if weight > 1e-9 else SLOPE * source
        else:
            predicted = posterior_mean(current, weight, known, noise, source)
        if chosen.prediction == "velocity":
            return source - predicted
        return (current - predicted) / (s2**0.5 if chosen.prediction == "eps" else 1.0)

    return cast(Bridge, optimal(Bridge, answer, **params))


def recursion(bridge: Bridge, steps: int) -> list[Moments]:
    """Each source's moments of the sampler's output, from the design's step."""
    times = step_times(steps, bridge.params.spacing).tolist()
    return [walk(bridge.schedule, times, source) for source in SOURCES]


def walk(schedule: Schedule, times: list[float], source: float) -> Moments:
    moments, mean = Moments(source, 0.0), SLOPE * source
    for time, earlier in pairwise(times):
        s2, r2 = areas(schedule, time)
        kept, weight = areas(schedule, earlier)[0], r2 / (s2 + r2)
        slope = gain(weight, s2 * r2 / (s2 + r2))
        # X_0_hat = slope X_t + rest
        rest = mean - slope * (weight * mean + (1 - weight) * source)
        a2 = s2 - kept
        moments = moments.step((a2 * slope + kept) / s2, a2 * rest / s2, kept * a2 / s2)
    return moments


@pytest.mark.parametrize(("low", "high"), BETAS)
def test_schedule_integrals_match_quadrature(low: float, high: float) -> None:
    schedule = Schedule(low, high)
    times = [0.0, 0.03, 0.25, 0.5, 0.6, 0.97, 1.0]
    s2, r2 = zip(*(areas(schedule, time) for time in times), strict=True)
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
    target, source = torch.full((1, FRAMES, 1), -0.4), torch.full((1, FRAMES, 1), 1.5)
    noise = normal_like(target, torch.Generator().manual_seed(0))
    change = bridge.schedule.change(target, source, torch.tensor([time]), noise)
    s2, r2 = areas(bridge.schedule, time)
    exact = Moments((r2 * -0.4 + s2 * 1.5) / (s2 + r2), s2 * r2 / (s2 + r2))
    assert_moments((target + change)[..., 0], [exact])


@every_prediction
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 16])
def test_sampler_follows_the_exact_recursion(steps: int, spacing: str, prediction: str) -> None:
    bridge = optimal_bridge(beta_max=0.6, beta_min=0.05, spacing=spacing, prediction=prediction)
    exact = recursion(bridge, steps)
    assert [row.mean for row in exact] == pytest.approx([row.mean for row in POSTERIORS])
    assert_moments(sample(bridge, steps), exact)


@pytest.mark.parametrize("steps", [2, 5])
def test_every_prediction_makes_the_same_samples(steps: int) -> None:
    drawn = [sample(optimal_bridge(prediction=p), steps, frames=200) for p in PREDICTIONS]
    for other in drawn[1:]:
        torch.testing.assert_close(other, drawn[0], rtol=0, atol=1e-4)


def test_variance_is_recovered_as_steps_grow() -> None:
    bridge = optimal_bridge(beta_max=0.6, spacing="uniform")
    counts = (1, 2, 4, 8, 64)
    shares = [recursion(bridge, steps)[0].variance / VARIANCE for steps in counts]
    assert shares == sorted(shares) and shares[0] == 0 and 0.9 < shares[-1] <= 1
    assert_moments(sample(bridge, 64), recursion(bridge, 64))


@every_prediction
@pytest.mark.parametrize("deterministic", [False, True])
def test_one_step_is_the_prediction_of_the_target(prediction: str, deterministic: bool) -> None:
    bridge = optimal_bridge(prediction=prediction, deterministic=deterministic)
    source = space().embed(inputs(3).x1.unsqueeze(1))
    mask = inputs(3).mask
    predicted = bridge.predict_target(source, source, torch.ones(len(source)), mask)
    generators = [torch.Generator().manual_seed(0) for _ in source]
    state = generators[0].get_state()
    assert torch.equal(bridge.sample(source, mask, 1, generators), predicted)
    assert torch.equal(generators[0].get_state(), state), "the last step must draw no noise"
    torch.testing.assert_close(predicted, SLOPE * source)


@every_prediction
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20])
def test_deterministic_bridge_is_the_posterior_mean(steps: int, prediction: str) -> None:
    drawn = sample(optimal_bridge(deterministic=True, prediction=prediction), steps, frames=50)
    means = torch.tensor([row.mean for row in POSTERIORS])[:, None]
    torch.testing.assert_close(drawn, means.expand_as(drawn), rtol=0, atol=1e-3)


@pytest.mark.parametrize("steps", [2, 5, 16])
def test_deterministic_path_is_the_stochastic_one_without_noise(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stochastic, deterministic = optimal_bridge(), optimal_bridge(deterministic=True)
    stochastic.network = deterministic.network
    monkeypatch.setattr(
        "methods.nets.schedule.draw_normal", lambda _, mask, d: torch.zeros(*mask.shape, d)
    )
    assert torch.equal(sample(stochastic, steps, 20), sample(deterministic, steps, 20))


@every_prediction
@pytest.mark.parametrize("share", [0.0, 0.25])
def test_loss_of_the_optimal_network_is_the_posterior_variance(
    prediction: str, share: float
) -> None:
    bridge = optimal_bridge(beta_max=0.6, beta_min=0.05, prediction=prediction, source_share=share)

    def expected(time: float) -> float:
        s2, r2 = areas(bridge.schedule, time)
        weight, noise = r2 / (s2 + r2), s2 * r2 / (s2 + r2)
        left = VARIANCE * noise / (weight**2 * VARIANCE + noise)
        return left / s2 if prediction == "eps" else left

    # The ends are cut off by a hair: at t = 1 the formula is 0 / 0.
    inside = quad(expected, 1e-6, 1 - 1e-6, limit=200)[0]
    total = areas(bridge.schedule, 1.0)[0]
    at_source = VARIANCE / total if prediction == "eps" else VARIANCE
    exact = (1 - share) * inside + share * at_source
    loss = bridge.loss(batch(400, 66), torch.Generator().manual_seed(0))
    assert float(loss) == pytest.approx(exact, rel=0.03)


def test_the_embedding_of_all_codes_can_be_the_target() -> None:
    given = batch(50, 2)
    losses = []
    for target in ("z", "embedding"):
        bridge = optimal_bridge(target=target, deterministic=True, source_share=0.999)
        losses.append(float(bridge.loss(given, torch.Generator().manual_seed(0))))
    # At t = 1, from one codebook: SLOPE e(x1) against z, and against e(x1) itself.
    assert losses[0] == pytest.approx(VARIANCE, rel=0.3)
    mean = sum(source**2 for source in SOURCES) / len(SOURCES)
    assert losses[1] == pytest.approx((1 - SLOPE) ** 2 * mean, rel=1e-4)
