"""The backbone: padding, positions, conditioning and dropout."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from methods.nets.transformer import Encoder, rotary_angles, rotate
from methods.params import Backbone, MethodError

SIZE = Backbone(layers=2, width=32, heads=4)


def random_encoder(**options: bool) -> Encoder:
    """An encoder whose parameters are all drawn, the zero-initialised ones too."""
    torch.manual_seed(0)
    encoder = Encoder(SIZE, 6, 5, **options)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return encoder


def lengths_mask(lengths: list[int], frames: int) -> Tensor:
    return torch.arange(frames)[None] < torch.tensor(lengths)[:, None]


def test_padding_does_not_reach_real_frames() -> None:
    encoder, frames = random_encoder(), torch.randn(3, 20, 6)
    mask = lengths_mask([20, 11, 1], 20)
    expected = encoder(frames, mask)
    changed = encoder(torch.where(mask[..., None], frames, 1e3), mask)
    torch.testing.assert_close(changed[mask], expected[mask], rtol=0, atol=1e-5)
    for row, length in enumerate([20, 11, 1]):
        alone = encoder(frames[row : row + 1, :length], torch.ones(1, length, dtype=torch.bool))
        torch.testing.assert_close(alone[0], expected[row, :length], rtol=0, atol=1e-5)


def test_attention_without_mask_equals_attention_with_an_open_mask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attend = torch.nn.functional.scaled_dot_product_attention
    seen: list[Tensor | None] = []

    def opened(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        seen.append(attn_mask)
        open_mask = torch.ones(len(query), 1, 1, key.shape[2], dtype=torch.bool)
        return attend(query, key, value, attn_mask=open_mask)

    encoder, frames = random_encoder(), torch.randn(2, 150, 6)
    mask = torch.ones(2, 150, dtype=torch.bool)
    fast = encoder(frames, mask)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", opened)
    torch.testing.assert_close(encoder(frames, mask), fast, rtol=0, atol=1e-5)
    assert seen == [None, None]


def test_attention_looks_both_ways_and_knows_order() -> None:
    encoder, frames = random_encoder(), torch.randn(1, 10, 6)
    mask = torch.ones(1, 10, dtype=torch.bool)
    output = encoder(frames, mask)
    changed = frames.clone()
    changed[0, 9] += 1
    assert (encoder(changed, mask)[0, 0] - output[0, 0]).abs().max() > 1e-4
    assert (encoder(frames.flip(1), mask).flip(1) - output).abs().max() > 1e-3


def test_rotary_scores_depend_on_distance_alone() -> None:
    query, key = torch.randn(8), torch.randn(8)
    angles = rotary_angles(30, 8, torch.device("cpu"))
    queries, keys = (rotate(v.expand(1, 1, 30, 8), angles)[0, 0] for v in (query, key))
    scores = queries @ keys.T
    for distance in (-7, 0, 3):
        line = scores.diagonal(distance)
        torch.testing.assert_close(line, line[:1].expand_as(line), rtol=0, atol=1e-4)
    assert (scores[0, 0] - scores[0, 5]).abs() > 1e-3


def test_conditioning_starts_neutral_and_then_matters_per_utterance() -> None:
    mask, frames = torch.ones(2, 9, dtype=torch.bool), torch.randn(2, 9, 6)
    plain, told = Encoder(SIZE, 6, 5), Encoder(SIZE, 6, 5, conditioned=True)
    told.load_state_dict(plain.state_dict(), strict=False)
    vector = torch.randn(2, 32)
    torch.testing.assert_close(told(frames, mask, vector), plain(frames, mask))
    told = random_encoder(conditioned=True)
    first = told(frames, mask, vector)
    vector[1] += 1
    second = told(frames, mask, vector)
    torch.testing.assert_close(second[0], first[0])
    assert (second[1] - first[1]).abs().max() > 1e-3
    with pytest.raises(MethodError, match="conditioning vector"):
        told(frames, mask)


def test_zero_output_is_zero_and_learns() -> None:
    encoder = Encoder(SIZE, 6, 5, zero_output=True)
    output = encoder(torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool))
    assert output.abs().max() == 0
    (output - 1).square().sum().backward()
    gradient = encoder.output.weight.grad
    assert isinstance(gradient, Tensor) and gradient.abs().max() > 0


def test_dropout_is_drawn_from_the_generator_and_only_in_training() -> None:
    encoder = Encoder(Backbone(layers=1, width=32, dropout=0.5), 6)
    frames, mask = torch.randn(2, 9, 6), torch.ones(2, 9, dtype=torch.bool)

    def run(seed: int) -> Tensor:
        output: Tensor = encoder(frames, mask, generator=torch.Generator().manual_seed(seed))
        return output

    state = torch.get_rng_state()
    assert torch.equal(run(1), run(1)) and not torch.equal(run(1), run(2))
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(MethodError, match="generator"):
        encoder(frames, mask)
    encoder.eval()
    assert torch.equal(run(1), run(2))
