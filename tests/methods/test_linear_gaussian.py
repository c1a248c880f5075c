"""The closed forms that the samplers' tests rest on, against numerical integration and draws."""

from __future__ import annotations

import math

import pytest
import torch
from linear_gaussian import (
    FRAMES,
    POSTERIORS,
    SLOPE,
    SOURCES,
    VARIANCE,
    Column,
    Moments,
    assert_moments,
    batch,
    integral,
    posterior_mean,
)
from scipy.integrate import quad


@pytest.mark.parametrize(("weight", "noise"), [(1.0, 0.1), (0.3, 0.8), (0.9, 2.0), (0.0, 1.0)])
@pytest.mark.parametrize("observed", [-1.0, 0.7])
def test_posterior_mean_is_bayes_rule(weight: float, noise: float, observed: float) -> None:
    source, known = 1.5, 0.2

    def joint(x: float) -> float:
        prior = (x - SLOPE * source) ** 2 / VARIANCE
        return math.exp(-0.5 * (prior + (observed - weight * x - known) ** 2 / noise))

    ends = (SLOPE * source - 8, SLOPE * source + 8)
    exact = quad(lambda x: x * joint(x), *ends)[0] / quad(joint, *ends)[0]
    scalars = (torch.tensor(value, dtype=torch.float64) for value in (observed, known, source))
    seen, offset, coarse = scalars
    found = posterior_mean(seen, weight, offset, noise, coarse)
    assert float(found) == pytest.approx(exact, abs=1e-6)


def test_moments_follow_an_affine_chain() -> None:
    generator = torch.Generator().manual_seed(0)
    moments, drawn = Moments(1.0, 0.0), torch.ones(1, FRAMES)
    for gain, shift, noise in [(0.5, 0.1, 0.3), (-1.2, 0.4, 0.0), (0.9, -0.2, 0.7)]:
        moments = moments.step(gain, shift, noise)
        fresh = torch.randn(drawn.shape, generator=generator)
        drawn = gain * drawn + shift + noise**0.5 * fresh
    assert_moments(drawn, [moments])
    with pytest.raises(AssertionError):
        assert_moments(drawn, [moments.step(1.0, 0.05)])
    with pytest.raises(AssertionError):
        assert_moments(drawn, [moments.step(1.0, 0.0, 0.1)])


def test_training_data_has_the_moments_of_the_case() -> None:
    made = batch(FRAMES // 10, 10)
    assert made.codes[:, 0, 0].tolist() == [0, 1, 2] * 10
    rows = made.z[..., 0].view(10, len(SOURCES), -1).transpose(0, 1).flatten(1)
    assert_moments(rows, list(POSTERIORS))


def test_quadrature_finds_the_kink() -> None:
    assert integral(lambda t: torch.minimum(t, 1 - t), 0.2, 1.0) == pytest.approx(0.25 - 0.02)


def test_columns_keep_two_times_apart() -> None:
    times, spans = torch.tensor([0.1, 0.9]), torch.tensor([0.05, 0.6])
    both = Column(0)(times) + Column(1)(spans)
    assert torch.equal(both, torch.stack((times, spans), dim=1))
