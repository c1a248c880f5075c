"""Codebook vectors: what they are compared by, what they are trained with, and how they add up."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError
from test_method_learning import trained
from torch import Tensor

from methods.base import Backbone, Batch, Inputs, LatentSpace
from methods.nets.vectors import (
    LayerAttention,
    contents,
    contrastive_loss,
    cosine_loss,
    cosines,
    directions,
    nearest,
)
from methods.params import MethodError
from methods.retrieval import Retrieval

SIZES, D, FRAMES = (9, 16, 12, 16), 6, 20


def books(seed: int = 0) -> list[Tensor]:
    """Four codebooks of different sizes; two entries of the third were never trained."""
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(size, D, generator=generator) for size in SIZES]
    made[2][[3, 7]] = 0
    return made


def space(codebooks: list[Tensor]) -> LatentSpace:
    std = torch.linspace(0.5, 2, len(codebooks[0][0]))
    return LatentSpace(codebooks, torch.ones_like(std), std, 75.0, 24_000)


def retrieval(**params: str) -> Retrieval:
    torch.manual_seed(0)
    chosen = Retrieval.Params.model_validate(params)
    return Retrieval(chosen, space(books()), Backbone(layers=1, width=32)).eval()


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    codes = [torch.randint(0, size, (3, FRAMES), generator=generator) for size in SIZES]
    mask = torch.arange(FRAMES) < torch.tensor([FRAMES, 13, 1])[:, None]
    return Batch(torch.stack(codes, dim=1), torch.zeros(3, FRAMES, D), mask)


def test_a_projections_bias_and_gain_change_no_direction() -> None:
    plain = books()
    moved = [torch.where(book.any(-1, keepdim=True), 3 * book + 5, 0.0) for book in plain]
    for k in range(len(SIZES)):
        for view in (directions, contents):
            torch.testing.assert_close(view(space(moved), k), view(space(plain), k))
        norms = directions(space(plain), k).norm(dim=-1)
        torch.testing.assert_close(norms, plain[k].any(-1).float())
        used = contents(space(plain), k)[plain[k].any(-1)]
        torch.testing.assert_close(used.square().mean(), torch.tensor(1.0))


def test_directions_follow_statistics_that_are_loaded_later() -> None:
    first, second = space(books()), space(books())
    second.load_state_dict({"mean": torch.zeros(D), "std": torch.linspace(1, 9, D)})
    assert (directions(first, 1) - directions(second, 1)).abs().max() > 0.1


def test_the_nearest_entry_is_found_whatever_the_length_and_never_a_dead_one() -> None:
    given = space(books())
    codes = torch.tensor([[0, 1, 2, 4, 5, 6, 8, 9, 10, 11]])
    mask = torch.ones_like(codes, dtype=torch.bool)
    entries = directions(given, 2)
    lengths = torch.logspace(-3, 3, 10)[:, None]
    noise = 0.05 * torch.randn(1, 10, D, generator=torch.Generator().manual_seed(2))
    predicted = lengths * (entries[codes] + noise)
    assert torch.equal(nearest(predicted, entries, mask), codes)
    mask[0, 5:] = False
    assert nearest(predicted, entries, mask)[0, 5:].tolist() == [0] * 5
    wild = torch.randn(1, 5000, D, generator=torch.Generator().manual_seed(3))
    found = nearest(wild, entries, torch.ones(1, 5000, dtype=torch.bool))
    assert set(found.unique().tolist()) == set(range(12)) - {3, 7}


def test_the_contrastive_loss_is_its_definition_with_repeated_codes_and_dead_entries() -> None:
    entries, scale = directions(space(books()), 2), torch.tensor(8.0)
    codes = torch.tensor([0, 5, 5, 3, 11, 0, 5])  # entry 3 is dead: its frame does not count
    predicted = torch.randn(7, D, generator=torch.Generator().manual_seed(4))
    score = scale * cosines(predicted, entries)
    live = [0, 1, 2, 4, 5, 6]
    alive = [j for j in range(12) if j not in (3, 7)]
    terms = []
    for i in live:
        holders = [other for other in live if codes[other] == codes[i]]
        entry = int(codes[i])
        to_entries = -score[i, alive].log_softmax(0)[alive.index(entry)]
        spread = score[live, entry].log_softmax(0)[[live.index(other) for other in holders]]
        share = torch.tensor(1 / len(holders))
        divergence = (share * (share.log() - spread)).sum()
        terms.append((to_entries + divergence) / 2)
    expected = torch.stack(terms).mean()
    torch.testing.assert_close(contrastive_loss(predicted, entries, codes, scale), expected)


def test_perfect_vectors_have_no_loss_and_dead_frames_no_gradient() -> None:
    entries = torch.eye(D)
    entries[4] = 0
    codes = torch.tensor([0, 1, 1, 1, 5, 4])
    predicted = (2 * entries[codes] + 1e-3).requires_grad_()
    scale = torch.tensor(100.0, requires_grad=True)
    for loss in (
        contrastive_loss(predicted, entries, codes, scale),
        cosine_loss(predicted, entries, codes) + 0 * scale,
    ):
        assert abs(float(loss.detach())) < 1e-4
        gradients = torch.autograd.grad(loss, (predicted, scale))
        assert all(bool(gradient.isfinite().all()) for gradient in gradients)
        assert gradients[0][-1].abs().max() == 0


@pytest.mark.parametrize("live", [0, 3])
def test_a_batch_of_dead_frames_has_no_loss(live: int) -> None:
    entries = torch.eye(D) * (torch.arange(D) < live)[:, None]
    predicted, codes = torch.ones(2, D, requires_grad=True), torch.tensor([4, 4])
    scale = torch.tensor(10.0, requires_grad=True)
    loss = contrastive_loss(predicted, entries, codes, scale)
    loss = loss + cosine_loss(predicted, entries, codes)
    assert loss == 0
    for gradient in torch.autograd.grad(loss, (predicted, scale)):
        assert gradient.abs().max() == 0


def test_even_attention_is_the_projected_mean_of_the_layers() -> None:
    torch.manual_seed(0)
    attention = LayerAttention(D, 16, 4, 5)
    with torch.no_grad():
        attention.query_key_value.weight[:16] = 0
        attention.layer.weight[:, :16] = 0
    vectors = torch.randn(2, 7, 3, D)
    value, own = attention.query_key_value.weight[32:], attention.layer.weight[:3, 32:]
    torch.testing.assert_close(attention(vectors), (vectors @ value.T + own).mean(2))


def test_attention_tells_apart_layers_whose_sum_is_the_same() -> None:
    mask = torch.ones(1, 1, dtype=torch.bool)
    for aggregation, apart in (("attention", True), ("additive", False)):
        method = retrieval(aggregation=aggregation)
        book = method.space.codebook(0)
        book[1], method.space.codebook(1)[1] = method.space.codebook(1)[0], book[0].clone()
        swapped = torch.tensor([[[0], [0]], [[1], [1]]])
        with torch.no_grad():
            first, second = (method._predict(codes[None], mask) for codes in swapped)
        assert bool((first - second).abs().max() > 1e-3) == apart


@pytest.mark.parametrize("aggregation", ["attention", "additive"])
def test_fewer_layers_are_the_first_of_all(aggregation: str) -> None:
    method, full = retrieval(aggregation=aggregation), batch()
    given = [Inputs(full.codes[:, 0], full.mask, layers=layers) for layers in (1, 2, 3, 4)]
    codes = [method.predict_codes(one, layers, []) for layers, one in enumerate(given)]
    assert [made.shape for made in codes] == [(3, n, FRAMES) for n in (1, 2, 3, 4)]
    assert torch.equal(codes[0][:, 0], full.codes[:, 0])
    for shorter, longer in pairwise(codes):
        assert torch.equal(longer[:, :-1], shorter)
    with pytest.raises(MethodError, match="NFE 3"):
        method.predict_codes(given[1], 3, [])


def test_only_the_contrastive_loss_learns_a_temperature() -> None:
    assert "log_scale" not in dict(retrieval(loss="cosine").named_parameters())
    method = retrieval()
    assert float(method.log_scale.detach().exp()) == pytest.approx(1 / 0.07)
    method.loss(batch(), torch.Generator().manual_seed(0)).backward()
    assert method.log_scale.grad is not None and method.log_scale.grad.abs() > 0
    with torch.no_grad():
        method.log_scale.fill_(50.0)
    assert bool(method.loss(batch(), torch.Generator().manual_seed(0)).isfinite())


def test_half_precision_leaves_the_angles_whole() -> None:
    entries = directions(space(books()), 1)
    predicted = torch.randn(50, D, generator=torch.Generator().manual_seed(5))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = cosines(predicted, entries)
    assert rounded.dtype == torch.float32
    assert torch.equal(rounded, cosines(predicted, entries))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(MethodError, match="one codebook"):
        Retrieval(Retrieval.Params(), space(books()[:1]), Backbone(layers=1, width=32))
    with pytest.raises(ValidationError, match="aggregation"):
        Retrieval.Params.model_validate({"aggregation": "sum"})


@pytest.mark.slow
@pytest.mark.parametrize(
    "params", [{}, {"aggregation": "additive"}, {"loss": "cosine"}], ids=["own", "sum", "cosine"]
)
def test_codes_are_remembered(params: dict[str, object]) -> None:
    method, data, coarse = trained("retrieval", params, steps=300)
    assert isinstance(method, Retrieval)
    codes = method.eval().predict_codes(Inputs(data.codes[:, 0], data.mask), 3, [])
    right = (codes == data.codes)[:, 1:].float().mean()
    error = (method.space.embed(codes) - data.z).square().mean() / coarse
    print(params, float(right), float(error))
    assert right > 0.95 and error < 0.1
