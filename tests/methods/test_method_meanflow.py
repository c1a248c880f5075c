"""MeanFlow against the case solved in closed form, and its derivative through the encoder.

Of Gaussians the flow is known: X_t has mean mu(t) and deviation s(t), and the path through X_t is
mu(r) + s(r) / s(t) (X_t - mu(t)). The average velocity is the difference over t - r.
"""

from __future__ import annotations

from typing import cast

import pytest
import torch
from linear_gaussian import (
    POSTERIORS,
    SLOPE,
    VARIANCE,
    assert_moments,
    batch,
    optimal,
    sample,
    space,
)
from pydantic import ValidationError
from scipy.integrate import dblquad, quad
from test_method_learning import resynthesize, trained
from torch import Tensor

from methods.base import Backbone
from methods.meanflow import MeanFlow

STD = 0.7
STARTS = [("noise", 0.0), ("noised_coarse", 1.0)]
every_start = pytest.mark.parametrize(("start", "known"), STARTS)


def deviation(t: Tensor) -> Tensor:
    return ((1 - t) ** 2 * VARIANCE + t**2 * STD**2).sqrt()


def optimal_meanflow(start: str, **params: object) -> MeanFlow:
    share = dict(STARTS)[start]
    params = {"time_scale": 1.0} | params  # the optimal network gets the times as they are
    chosen = MeanFlow.Params.model_validate(params)

    def answer(current: Tensor, coarse: Tensor, time: Tensor, span: Tensor) -> Tensor:
        pull = share * coarse - SLOPE * coarse  # d mu / dt, constant
        earlier = time - span
        away = current - SLOPE * coarse - time * pull
        # (1 - s(r) / s(t)) / (t - r), whose limit is s'(t) / s(t), without the division by 0
        sums = deviation(time) * (deviation(time) + deviation(earlier))
        rate = (STD**2 * (time + earlier) - VARIANCE * (2 - time - earlier)) / sums
        average = pull + rate * away
        if chosen.prediction == "x0":
            return current - time * average - coarse
        return average

    return cast(MeanFlow, optimal(MeanFlow, answer, source=start, source_std=STD, **params))


@every_start
@pytest.mark.parametrize("prediction", ["x0", "velocity"])
@pytest.mark.parametrize("spacing", ["uniform", "quadratic"])
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 16])
def test_samples_are_the_posterior_at_every_nfe(
    start: str, known: float, prediction: str, spacing: str, steps: int
) -> None:
    method = optimal_meanflow(start, spacing=spacing, prediction=prediction)
    assert_moments(sample(method, steps), list(POSTERIORS))


@every_start
def test_one_step_goes_where_many_go(start: str, known: float) -> None:
    drawn = [sample(optimal_meanflow(start), steps, frames=100) for steps in (1, 2, 16)]
    for other in drawn[1:]:
        torch.testing.assert_close(other, drawn[0], rtol=0, atol=1e-4)


@every_start
@pytest.mark.parametrize(("prediction", "power"), [("velocity", 0), ("x0", 2)])
def test_loss_of_the_optimal_network_is_exact(
    start: str, known: float, prediction: str, power: int
) -> None:
    """Only v given X_t is left: of variance V S^2 / s(t)^2, times (s(r) / s(t))^2 by the identity.

    With any other derivative, or none, the loss would be larger.
    """

    def left(t: float, r: float) -> float:
        spread = [((1 - s) ** 2 * VARIANCE + s**2 * STD**2) for s in (r, t)]
        return t**power * VARIANCE * STD**2 * spread[0] / spread[1] ** 2

    alone = quad(lambda t: left(t, t), 0, 1)[0]
    both = 2 * dblquad(lambda r, t: left(t, r), 0, 1, 0, lambda t: t, epsabs=1e-4)[0]
    given = batch(400, 50)
    for share in (0.0, 1.0):
        method = optimal_meanflow(
            start, times="uniform", average_share=share, prediction=prediction
        )
        loss = float(method.loss(given, torch.Generator().manual_seed(0)))
        assert loss == pytest.approx((1 - share) * alone + share * both, rel=0.05)


def awake(**params: object) -> MeanFlow:
    torch.manual_seed(0)
    chosen = MeanFlow.Params.model_validate(params)
    made = MeanFlow(chosen, space(), Backbone(layers=2, width=32)).train()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def change(method: MeanFlow, mask: Tensor, seed: int = 1) -> tuple[Tensor, Tensor]:
    """(t - r) du/dt and its central difference; what padding holds differs by the seed."""
    kind = next(method.parameters()).dtype
    real, padded = (torch.Generator().manual_seed(number) for number in (0, seed))
    shape = (3, *mask.shape, 1)
    drawn = torch.randn(shape, generator=real, dtype=kind)
    other = 10 * torch.randn(shape, generator=padded, dtype=kind)
    current, coarse, velocity = torch.where(mask[..., None], drawn, other)
    time = torch.tensor([0.9, 0.5, 0.6], dtype=kind)
    span = torch.tensor([0.7, 0.0, 0.1], dtype=kind)
    generator = torch.Generator()
    found = method._change(current, coarse, velocity, time, span, mask, generator)
    step = 1e-6
    ends = [
        method._average(current + s * velocity, coarse, time + s, span + s, mask)
        for s in (step, -step)
    ]
    return found, span[:, None, None] * (ends[0] - ends[1]) / (2 * step)


@pytest.mark.parametrize("lengths", [(12, 12, 12), (12, 7, 5)])
@pytest.mark.parametrize("prediction", ["x0", "velocity"])
@pytest.mark.parametrize("time_scale", [0.02, 1.0])
def test_the_derivative_is_the_networks_along_the_path(
    lengths: tuple[int, ...], prediction: str, time_scale: float
) -> None:
    mask = torch.arange(12) < torch.tensor(lengths)[:, None]
    method = awake(prediction=prediction, time_scale=time_scale).double()
    found, difference = change(method, mask)
    assert not found.requires_grad and found[1].abs().max() == 0
    assert found[0].abs().max() > 0.1
    # Angles are made in single precision, even here.
    largest = 1e-3 * float(difference.detach().abs().max())
    torch.testing.assert_close(found[mask], difference[mask].detach(), rtol=0, atol=largest)


def test_the_derivative_ignores_padding_and_precision() -> None:
    method, mask = awake(), torch.arange(12) < torch.tensor([12, 7, 5])[:, None]
    plain = change(method, mask)[0]
    torch.testing.assert_close(change(method, mask, 2)[0][mask], plain[mask], rtol=0, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(change(method, mask)[0], plain)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_weights_scale_gradients_and_leave_the_value(power: float) -> None:
    method = MeanFlow(MeanFlow.Params(weight_power=power), space(), Backbone(layers=1, width=32))
    error = torch.tensor([[0.5, 1.5, 40.0], [3.0, 3.0, 3.0]]).unsqueeze(-1).requires_grad_()
    mask = torch.tensor([[True, True, False], [True, True, True]])
    loss = method._weigh(error, mask)
    assert float(loss) == pytest.approx((0.5 + 1.5 + 9) / 5)
    torch.autograd.backward(loss)
    weights = torch.tensor([1.001, 3.001]) ** -power
    gradient = error.grad
    assert isinstance(gradient, Tensor)
    torch.testing.assert_close(gradient[..., 0], mask * weights[:, None] / 5)


def test_times_are_ordered_and_the_share_is_kept() -> None:
    method = awake()
    time, span = method._draw_times(4000, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert bool((span >= 0).all()) and bool((time - span > 0).all()) and float(time.max()) <= 1
    assert float((span > 0).float().mean()) == pytest.approx(0.25, abs=1e-3)


def test_bad_params_are_refused() -> None:
    for wrong in ({"source_std": 0.0}, {"average_share": 1.1}, {"weight_floor": 0.0}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            MeanFlow.Params.model_validate(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["noise", "noised_coarse"])
def test_memorised_sequences_are_sampled(source: str) -> None:
    method, given, coarse = trained("meanflow", {"source": source}, 300)
    for nfe in (1, 4):
        error = (resynthesize(method, given, nfe) - given.z).square().mean() / coarse
        print("meanflow", source, nfe, float(error))
        assert error < 0.05
