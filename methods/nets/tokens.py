"""What the methods that predict codes share: their loss and how a code is chosen."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.params import MethodError


def softmax_heads(width: int, sizes: Sequence[int]) -> nn.ModuleList:
    """Make the N-1 linear heads, (B, F, W) to (B, F, K), that score codebooks 2..N.

    Raises MethodError for a codec with one codebook, where nothing is left to predict.
    """
    check_finer(sizes)
    return nn.ModuleList(nn.Linear(width, size) for size in sizes[1:])


def check_finer(sizes: Sequence[int]) -> None:
    """Raise MethodError for a codec with one codebook, where nothing is left to predict."""
    if len(sizes) < 2:
        raise MethodError("the codec has one codebook: there are no codes to predict after x1")


def cross_entropy(head: nn.Module, hidden: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
    """Mean cross entropy in nats of a head on hidden (B, F, W) against codes (B, F).

    Real frames are picked before the head: K scores for a padded frame would be wasted work.
    """
    return functional.cross_entropy(head(hidden[mask]), codes[mask])


def choose(
    logits: Tensor, mask: Tensor, temperature: float, generators: Sequence[torch.Generator]
) -> Tensor:
    """Choose codes (B, F) from logits (B, F, K): the likeliest at temperature 0, else a sample.

    Samples are exact, by the Gumbel-max trick. Each utterance draws from its own generator and
    for its real frames only, so its codes are the same in any batch; padded frames get code 0.
    """
    if temperature > 0:
        logits = logits / temperature + gumbel(logits, mask, generators)
    return logits.argmax(-1) * mask


def gumbel(like: Tensor, mask: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Draw standard Gumbel noise of the shape (B, F, ...) of `like`, for real frames only."""
    noise = torch.zeros(like.shape)
    for row, (generator, length) in enumerate(zip(generators, mask.sum(1).tolist(), strict=True)):
        noise[row, :length].exponential_(generator=generator).log_().neg_()
    return noise.to(like.device)


def lowest(scores: Tensor, among: Tensor, number: Tensor) -> Tensor:
    """Mark the `number` (B,) lowest scores (B, F) of each row, among those allowed (B, F)."""
    order = scores.masked_fill(~among, torch.inf).argsort(dim=1, stable=True)
    return among & (order.argsort(dim=1) < number[:, None])


def share_calls(levels: int, calls: int) -> list[tuple[int, int, float]]:
    """Share network calls among codebook levels 1..levels that are decoded coarse to fine.

    Each call is (first level, last level, time): it decodes those levels, and at time t in (0, 1]
    leaves the share cos(pi t / 2) of the first one's codes open (MaskGIT, section 3.3). Every
    level has one call and the coarsest those to spare, like SoundStorm's 16, 1, 1, ..., 1; where
    calls are fewer than levels, the last one decodes all the levels that are left.
    """
    spare = max(0, calls - levels)
    opening = [(1, 1, step / (spare + 1)) for step in range(1, spare + 1)]
    singles = [(level, level, 1.0) for level in range(1, min(calls, levels))]
    return [*opening, *singles, (min(calls, levels), levels, 1.0)]
