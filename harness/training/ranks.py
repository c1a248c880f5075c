"""Processes that share each training batch: they exchange gradients, and so keep equal weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Ranks:
    """This process among `count`; one alone exchanges nothing."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that saves and commits."""
        return self.rank == 0

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the ranks.

        Where no rank has one it stays absent: an optimiser skips what it would not a zero.
        """
        if self.count == 1:
            return
        present = torch.tensor([float(p.grad is not None) for p in parameters])
        distributed.all_reduce(present := present.to(parameters[0].device))
        parameters = [p for p, some in zip(parameters, present.tolist(), strict=True) if some]
        if not parameters:
            return
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        joined = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(joined)
        parts = torch.split(joined, [gradient.numel() for gradient in gradients])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def add(self, value: Tensor) -> Tensor:
        """Return the sum of a value over the ranks."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value


@contextmanager
def joined(rank: int, count: int, meeting: Path, device: str) -> Iterator[Ranks]:
    """Join the other ranks, which meet through a file that does not exist yet."""
    backend = "nccl" if device.startswith("cuda") else "gloo"
    distributed.init_process_group(
        backend, init_method=meeting.as_uri(), rank=rank, world_size=count
    )
    try:
        yield Ranks(rank, count)
    finally:
        distributed.destroy_process_group()
