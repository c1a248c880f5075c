"""Cosine regression: what its loss is, what it retrieves, and that it remembers."""

from __future__ import annotations

import pytest
import torch
from test_method_learning import trained
from torch import Tensor, nn
from torch.nn import functional

from methods.base import Backbone, Batch, Inputs, LatentSpace
from methods.cosine_regression import CosineRegression
from methods.nets.vectors import directions
from methods.params import MethodError

SIZES, D, FRAMES = (9, 16, 12), 6, 20


def made(sizes: tuple[int, ...] = SIZES) -> CosineRegression:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    books = [torch.randn(size, D, generator=generator) for size in sizes]
    space = LatentSpace(books, torch.ones(D), torch.linspace(0.5, 2, D), 75.0, 24_000)
    backbone = Backbone(layers=1, width=32)
    return CosineRegression(CosineRegression.Params(), space, backbone).eval()


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    codes = [torch.randint(0, size, (3, FRAMES), generator=generator) for size in SIZES]
    mask = torch.arange(FRAMES) < torch.tensor([FRAMES, 13, 1])[:, None]
    return Batch(torch.stack(codes, dim=1), torch.zeros(3, FRAMES, D), mask)


def answer_always(method: CosineRegression, vectors: Tensor) -> None:
    """Make the network give the vectors (N-1, D) for every frame, by its output layer."""
    output = method.network.output
    assert isinstance(output, nn.Linear)
    with torch.no_grad():
        output.weight.zero_()
        output.bias.copy_(vectors.flatten())


def test_the_loss_is_one_minus_cosine_over_frames_and_layers() -> None:
    method, full = made(), batch()
    vectors = torch.randn(2, D, generator=torch.Generator().manual_seed(2))
    answer_always(method, vectors)
    cosine = [
        functional.cosine_similarity(vectors[k - 1][None], directions(method.space, k)[codes], -1)
        for k, codes in ((1, full.codes[:, 1][full.mask]), (2, full.codes[:, 2][full.mask]))
    ]
    expected = 1 - torch.stack(cosine).mean()
    torch.testing.assert_close(method.loss(full, torch.Generator()), expected)


def test_each_layer_retrieves_the_entry_that_its_vector_points_at() -> None:
    method, full = made(), batch()
    entries = [directions(method.space, k) for k in (1, 2)]
    answer_always(method, torch.stack((7 * entries[0][13], 0.01 * entries[1][4])))
    codes = method.predict_codes(Inputs(full.codes[:, 0], full.mask), 1, [])
    assert torch.equal(codes[:, 0], full.codes[:, 0])
    assert codes[:, 1][full.mask].unique().tolist() == [13]
    assert codes[:, 2][full.mask].unique().tolist() == [4]
    assert codes[:, 1:][~full.mask[:, None].expand(-1, 2, -1)].unique().tolist() == [0]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_fewer_layers_are_the_first_of_all_in_one_call(layers: int) -> None:
    method, full = made(), batch()
    every = method.predict_codes(Inputs(full.codes[:, 0], full.mask), 1, [])
    fewer = method.predict_codes(Inputs(full.codes[:, 0], full.mask, layers=layers), 1, [])
    assert torch.equal(fewer, every[:, :layers])


def test_one_codebook_is_refused() -> None:
    with pytest.raises(MethodError, match="one codebook"):
        made((9,))


@pytest.mark.slow
def test_codes_are_remembered() -> None:
    method, data, coarse = trained("cosine_regression", {}, steps=300)
    assert isinstance(method, CosineRegression)
    codes = method.eval().predict_codes(Inputs(data.codes[:, 0], data.mask), 1, [])
    right = (codes == data.codes)[:, 1:].float().mean()
    error = (method.space.embed(codes) - data.z).square().mean() / coarse
    print(float(right), float(error))
    assert right > 0.95 and error < 0.1
