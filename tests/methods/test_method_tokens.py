"""How codes are chosen and scored."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from methods.nets.tokens import choose, cross_entropy, softmax_heads
from methods.params import MethodError


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_greedy_takes_the_likeliest_and_draws_nothing() -> None:
    logits, mask = torch.randn(1, 6, 5), torch.tensor([[True] * 4 + [False] * 2])
    (generator,) = seeded(1)
    state = generator.get_state()
    codes = choose(logits, mask, 0.0, [generator])
    assert torch.equal(codes[0, :4], logits[0, :4].argmax(-1))
    assert codes[0, 4:].tolist() == [0, 0]
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_follow_the_tempered_softmax(temperature: float) -> None:
    frames = 40_000
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0])
    drawn = choose(
        logits.expand(1, frames, 4), torch.ones(1, frames, dtype=torch.bool), temperature, seeded(3)
    )
    share = torch.bincount(drawn[0], minlength=4) / frames
    expected = (logits / temperature).softmax(-1)
    # 5 standard errors of a share of one half.
    torch.testing.assert_close(share, expected, rtol=0, atol=5 * 0.5 / frames**0.5)


def test_cross_entropy_leaves_padding_out() -> None:
    head, hidden = nn.Linear(3, 7), torch.randn(2, 5, 3)
    codes = torch.randint(0, 7, (2, 5))
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    expected = -head(hidden).log_softmax(-1).gather(-1, codes[..., None])[..., 0][mask].mean()
    torch.testing.assert_close(cross_entropy(head, hidden, codes, mask), expected)


def test_one_codebook_leaves_nothing_to_predict() -> None:
    with pytest.raises(MethodError, match="one codebook"):
        softmax_heads(4, (16,))
