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
    if len(sizes) < 2:
        raise MethodError("the codec has one codebook: there are no codes to predict after x1")
    return nn.ModuleList(nn.Linear(width, size) for size in sizes[1:])


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
        logits = logits / temperature + _gumbel(logits, mask, generators)
    return logits.argmax(-1) * mask


def _gumbel(logits: Tensor, mask: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    noise = torch.zeros(logits.shape)
    for row, (generator, length) in enumerate(zip(generators, mask.sum(1).tolist(), strict=True)):
        noise[row, :length].exponential_(generator=generator).log_().neg_()
    return noise.to(logits.device)
