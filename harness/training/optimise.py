"""What updates weights: an optimiser for the method, one for its critics, and averaged weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from harness.config import TrainingConfig
from methods.base import Method


def divide(method: Method) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the method's own trainable parameters, and its critics'."""
    critics = {id(p): p for critic in method.critics() for p in critic.parameters()}
    own = [p for p in method.parameters() if p.requires_grad and id(p) not in critics]
    return own, [p for p in critics.values() if p.requires_grad]


def make_optimiser(
    parameters: Sequence[nn.Parameter], config: TrainingConfig
) -> torch.optim.Optimizer:
    """Return AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101)."""
    return torch.optim.AdamW(
        parameters, config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


def set_rate(
    optimiser: torch.optim.Optimizer, step: int, steps: int, config: TrainingConfig
) -> None:
    """Set a step's learning rate: linear warm-up, then a cosine to 5 % of the peak."""
    warm = min(1.0, step / max(1, config.warmup_steps))
    cosine = 0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * (step - 1) / steps))
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * warm * float(cosine)


class Average:
    """Exponential moving average of parameters (Polyak and Juditsky 1992), without bias at first.

    After t updates the decay is at most (1 + t) / (10 + t), as in TensorFlow's implementation.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self.parameters, self.decay = parameters, decay
        self.weights = [p.detach().clone() for p in parameters] if decay else []

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` updates."""
        if self.weights:
            decay = min(self.decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.weights, [p.detach() for p in self.parameters], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the averages in the parameters' place; without a decay they stay themselves."""
        if not self.weights:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, average in zip(self.parameters, self.weights, strict=True):
            own: Tensor = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(own)
