"""Masked decoding: what is hidden in training, and what each call settles at test time."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from test_method_learning import trained
from torch import Tensor
from torch.nn import functional

from methods.base import Backbone, Batch, Inputs, LatentSpace
from methods.masked_tokens import MaskedTokens
from methods.nets.tokens import lowest, share_calls

SIZES, D, FRAMES, LENGTHS = (9, 16, 12, 16), 6, 20, [20, 13, 1]
N = len(SIZES)


def made(**params: float) -> MaskedTokens:
    """An untrained method whose codes vary: its heads are drawn, larger than they start."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    books = [torch.randn(size, D, generator=generator) for size in SIZES]
    space = LatentSpace(books, torch.ones(D), torch.linspace(0.5, 2, D), 75.0, 24_000)
    chosen = MaskedTokens.Params.model_validate(params)
    method = MaskedTokens(chosen, space, Backbone(layers=1, width=32)).eval()
    with torch.no_grad():
        for parameter in method.heads.parameters():
            parameter.mul_(5)
    return method


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    codes = [torch.randint(0, size, (3, FRAMES), generator=generator) for size in SIZES]
    mask = torch.arange(FRAMES) < torch.tensor(LENGTHS)[:, None]
    return Batch(torch.stack(codes, dim=1), torch.zeros(3, FRAMES, D), mask)


def seeded(seed: int = 5) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + row) for row in range(3)]


def encode(method: MaskedTokens, codes: Tensor, mask: Tensor) -> Tensor:
    """Encode frames that all know the codes (B, k, F)."""
    latent = method.space.standardise(method.space.embed(codes))
    told = functional.one_hot(torch.full(mask.shape, codes.shape[1] - 1), N)
    result: Tensor = method.network(torch.cat((latent, told), dim=-1), mask)
    return result


def seen(method: MaskedTokens) -> list[Tensor]:
    """Collect what the network is given, call by call."""
    given: list[Tensor] = []
    method.network.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].detach()))
    return given


def depths(frames: Tensor) -> Tensor:
    """Read off the network's input (B, F, D + N) how many codes each frame knows."""
    return frames[..., D:].argmax(-1) + 1


@pytest.mark.parametrize("levels", [1, 2, 7])
@pytest.mark.parametrize("calls", [1, 2, 6, 7, 8, 23])
def test_calls_are_shared_coarse_to_fine(levels: int, calls: int) -> None:
    plan = share_calls(levels, calls)
    assert len(plan) == calls
    finished = [k for first, last, time in plan if time == 1 for k in range(first, last + 1)]
    assert finished == list(range(1, levels + 1))
    opening = [(first, last) for first, last, time in plan if time < 1]
    assert opening == [(1, 1)] * max(0, calls - levels)
    times = [time for _, _, time in plan]
    assert times == sorted(times)


def test_the_lowest_are_marked_among_those_allowed() -> None:
    scores = torch.tensor([[3.0, -1.0, 2.0, -5.0], [0.0, 0.0, 0.0, 0.0]])
    among = torch.tensor([[True, True, True, False], [False, True, True, True]])
    marked = lowest(scores, among, torch.tensor([2, 1]))
    assert marked.tolist() == [[False, True, True, False], [False, True, False, False]]


def test_hidden_shares_follow_the_cosine_and_levels_are_even() -> None:
    method, rows = made(), 600
    mask = torch.arange(200) < torch.full((rows, 1), 180)
    level, hidden = method.draw_hidden(mask, torch.Generator().manual_seed(2))
    assert torch.bincount(level).tolist() == [0, 200, 200, 200]
    assert not bool((hidden & ~mask).any())
    shares = hidden.sum(1) / 180
    assert shares.min() > 0 and shares.max() <= 1
    # E cos(pi u / 2) = 2 / pi; one u per slice and rounding up to a frame leave less than 0.01.
    assert float(shares.mean()) == pytest.approx(2 / math.pi, abs=0.01)
    expected = (torch.arange(rows) / rows * math.pi / 2).cos().flip(0)
    torch.testing.assert_close(shares.sort().values, expected, rtol=0, atol=0.01)
    # Every frame is as likely: 5 standard errors of a share over 600 utterances.
    per_frame = hidden[:, :180].float().mean(0)
    assert (per_frame - 2 / math.pi).abs().max() < 5 * 0.5 / rows**0.5


def test_the_loss_is_cross_entropy_on_hidden_codes_alone() -> None:
    full = batch()
    for finer in (0.0, 0.5):
        method = made(finer=finer)
        level, hidden = method.draw_hidden(full.mask, torch.Generator().manual_seed(3))
        own: list[Tensor] = []
        later: list[Tensor] = []
        given = seen(method)
        loss = method.loss(full, torch.Generator().manual_seed(3))
        encoded = method.network(given[0], full.mask)
        for row, length in enumerate(LENGTHS):
            for frame in range(length):
                for k in range(int(level[row]), N):
                    scores = method.heads[k - 1](encoded[row, frame])
                    error = -scores.log_softmax(0)[full.codes[row, k, frame]]
                    if k > level[row]:
                        later.append(error)
                    elif hidden[row, frame]:
                        own.append(error)
        expected = torch.stack(own).mean() + finer * torch.stack(later).mean()
        torch.testing.assert_close(loss, expected)


def test_hidden_codes_do_not_reach_the_network() -> None:
    method, full = made(), batch()
    level, hidden = method.draw_hidden(full.mask, torch.Generator().manual_seed(4))
    layer = torch.arange(N)[:, None]
    secret = (layer >= (level[:, None] + ~hidden)[:, None]) & full.mask[:, None]
    other = Batch(torch.where(secret, 0, full.codes), full.z, full.mask)
    given = seen(method)
    for one in (full, other):
        method.loss(one, torch.Generator().manual_seed(4))
    assert bool(secret.any()) and torch.equal(*given)
    assert torch.equal(depths(given[0]), level[:, None] + ~hidden)


def test_one_call_predicts_all_codes_in_parallel() -> None:
    method, full = made(), batch()
    codes = method.predict_codes(Inputs(full.codes[:, 0], full.mask), 1, seeded())
    hidden = encode(method, full.codes[:, :1], full.mask)
    for k, head in enumerate(method.heads, start=1):
        assert torch.equal(codes[:, k], head(hidden).argmax(-1) * full.mask)


def test_a_call_a_level_decodes_in_sequence() -> None:
    method, full = made(), batch()
    expected = full.codes[:, :1]
    for head in method.heads:
        chosen = head(encode(method, expected, full.mask)).argmax(-1) * full.mask
        expected = torch.cat((expected, chosen[:, None]), dim=1)
    codes = method.predict_codes(Inputs(full.codes[:, 0], full.mask), N - 1, seeded())
    assert torch.equal(codes, expected)


def test_the_surest_codes_are_settled_first_and_stay() -> None:
    method, full, steps = made(), batch(), 5
    given = seen(method)
    codes = method.predict_codes(Inputs(full.codes[:, 0], full.mask), steps + N - 2, seeded())
    calls = given[: steps + 1]
    open_frames = full.mask
    expected = torch.tensor(LENGTHS)
    for step, (frames, following) in enumerate(pairwise(calls), start=1):
        share = math.cos(math.pi / 2 * step / steps) * torch.tensor(LENGTHS)
        expected = torch.minimum(share.floor(), expected - 1).clamp(min=0)
        still = (depths(following) == 1) & full.mask
        assert still.sum(1).tolist() == expected.tolist()
        assert bool((still <= open_frames).all())
        settled = open_frames & ~still
        best = method.heads[0](method.network(frames, full.mask)).log_softmax(-1).max(-1)
        assert torch.equal(codes[:, 1][settled], best.indices[settled])
        for row in range(3):
            if bool(settled[row].any()) and bool(still[row].any()):
                assert best.values[row][settled[row]].min() > best.values[row][still[row]].max()
        open_frames = still
    assert not bool(open_frames.any())


@pytest.mark.parametrize("nfe", [1, 3, 9])
@pytest.mark.parametrize("layers", [1, 2, 3, None])
def test_fewer_layers_take_the_calls_asked_for(nfe: int, layers: int | None) -> None:
    method, full = made(), batch()
    given = seen(method)
    inputs = Inputs(full.codes[:, 0], full.mask, layers=layers)
    codes = method.predict_codes(inputs, nfe, seeded())
    assert codes.shape == (3, layers or N, FRAMES) and len(given) == nfe
    assert torch.equal(codes[:, 0], full.codes[:, 0])
    if nfe < max(2, layers or N):  # no call is to spare, so each does what it does with all
        every = method.predict_codes(Inputs(full.codes[:, 0], full.mask), nfe, seeded())
        assert torch.equal(codes, every[:, :layers])


def test_noise_changes_the_order_and_only_it_and_temperature_draw() -> None:
    full = batch()
    inputs = Inputs(full.codes[:, 0], full.mask)
    generators = seeded()
    before = [generator.get_state() for generator in generators]
    greedy = made().predict_codes(inputs, 9, generators)
    for state, generator in zip(before, generators, strict=True):
        assert torch.equal(state, generator.get_state())
    noisy, warm = made(confidence_noise=50.0), made(temperature=1.0)
    for method in (noisy, warm):
        drawn = [method.predict_codes(inputs, 9, seeded(seed)) for seed in (5, 5, 50)]
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[0], greedy)


@pytest.mark.slow
def test_codes_are_remembered_at_any_nfe() -> None:
    method, data, coarse = trained("masked_tokens", {}, steps=400)
    assert isinstance(method, MaskedTokens)
    for nfe in (1, 2, 3, 12):
        inputs = Inputs(data.codes[:, 0], data.mask)
        codes = method.eval().predict_codes(inputs, nfe, seeded())
        right = (codes == data.codes)[:, 1:].float().mean()
        error = (method.space.embed(codes) - data.z).square().mean() / coarse
        print(nfe, float(right), float(error))
        assert right > 0.95 and error < 0.1, f"NFE {nfe}"
