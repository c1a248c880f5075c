"""The greedy residual search, against one written out, and how the regression is taken over."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from methods.base import Backbone, Batch, Inputs, LatentSpace, MethodError
from methods.regression import Regression
from methods.requantized import Requantized

SIZES, D, FRAMES = (16, 8, 32), 5, 21
LENGTHS = (21, 9)


def latent_space() -> LatentSpace:
    generator = torch.Generator().manual_seed(0)
    books = [torch.randn(size, D, generator=generator) * 0.6**k for k, size in enumerate(SIZES)]
    return LatentSpace(books, torch.zeros(D), torch.full((D,), 1.5), 75.0, 24_000)


def taught(params: dict[str, object]) -> tuple[Requantized, Regression]:
    torch.manual_seed(0)
    size, space = Backbone(layers=1, width=16), latent_space()
    teacher = Regression(Regression.Params(), space, size)
    for parameter in teacher.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    method = Requantized(Requantized.Params.model_validate(params), space, size)
    method.adopt(teacher)
    return method.eval(), teacher


def given(layers: int | None = None) -> Inputs:
    x1 = torch.randint(0, SIZES[0], (2, FRAMES), generator=torch.Generator().manual_seed(1))
    return Inputs(x1, torch.arange(FRAMES) < torch.tensor(LENGTHS)[:, None], layers=layers)


def searched(latent: Tensor, books: list[Tensor], x1: int) -> Tensor:
    """The sum of vectors found for one latent (D,), one candidate at a time."""
    total = torch.zeros_like(latent)
    for k, book in enumerate(books):
        errors = [float((latent - total - vector).double().square().sum()) for vector in book]
        best = errors.index(min(errors)) if k else x1
        total = total + book[best]
    return total


@pytest.mark.parametrize("layers", [None, 1, 2])
def test_the_result_is_what_a_search_by_hand_finds(layers: int | None) -> None:
    method, teacher = taught({})
    inputs = given(layers)
    with torch.no_grad():
        result = method.resynthesize(inputs, 1, [])
        predicted = teacher.resynthesize(given(), 1, [])
    assert isinstance(result, Tensor) and isinstance(predicted, Tensor)
    books = [method.space.codebook(k) for k in range(layers or len(SIZES))]
    for row, length in enumerate(LENGTHS):
        for frame in range(length):
            expected = searched(predicted[row, frame], books, int(inputs.x1[row, frame]))
            torch.testing.assert_close(result[row, frame], expected)
        assert bool((result[row, length:] == 0).all())


def test_more_codebooks_come_closer_to_the_latent() -> None:
    method, _ = taught({})
    generator = torch.Generator().manual_seed(2)
    scattered = torch.randn(2, FRAMES, D, generator=generator)
    x1 = torch.zeros(2, FRAMES, dtype=torch.int64)
    errors = []
    for layers in range(1, len(SIZES) + 1):
        codes = method.quantize(scattered, x1, layers)
        errors.append(float((method.space.embed(codes) - scattered).square().mean()))
    assert errors == sorted(errors, reverse=True)


def test_the_teacher_stays_outside_and_frozen() -> None:
    method, teacher = taught({})
    assert not list(method.parameters()) and set(method.state_dict()) == {
        "space.mean",
        "space.std",
    }
    assert list(method.networks()) == list(teacher.networks())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_what_it_cannot_do_is_said() -> None:
    space = latent_space()
    method = Requantized(Requantized.Params(), space, Backbone(layers=1, width=16))
    assert method.networks() == []
    with pytest.raises(MethodError, match="needs a trained regression"):
        method.resynthesize(given(), 1, [])
    with pytest.raises(MethodError, match="cannot decode from 4 layers"):
        method.resynthesize(given(layers=4), 1, [])
    codes = torch.zeros(1, len(SIZES), 3, dtype=torch.int64)
    with pytest.raises(MethodError, match="does not train"):
        method.loss(Batch(codes, torch.zeros(1, 3, D), codes[:, 0] == 0), torch.Generator())


@pytest.mark.slow
def test_after_training_it_is_near_z_and_made_of_codes() -> None:
    torch.manual_seed(0)
    space, generator = latent_space(), torch.Generator().manual_seed(0)
    codes = torch.stack([torch.randint(0, s, (4, 30), generator=generator) for s in SIZES], dim=1)
    batch = Batch(codes, space.embed(codes), torch.ones(4, 30, dtype=torch.bool))
    teacher = Regression(Regression.Params(), space, Backbone(layers=2, width=64)).train()
    optimiser = torch.optim.AdamW(teacher.parameters(), lr=2e-3)
    for _ in range(150):
        optimiser.zero_grad()
        torch.autograd.backward(teacher.loss(batch, generator))
        optimiser.step()
    method = Requantized(Requantized.Params(), space, Backbone(layers=2, width=64)).eval()
    method.adopt(teacher)
    with torch.no_grad():
        result = method.resynthesize(Inputs(codes[:, 0], batch.mask), 1, [])
    assert isinstance(result, Tensor)
    coarse = (space.embed(codes[:, :1]) - batch.z).square().mean()
    error = (result - batch.z).square().mean() / coarse
    print("requantized", float(error))
    assert error < 0.1
