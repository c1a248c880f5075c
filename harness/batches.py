"""Draw training batches from the latent cache: random crops of a fixed length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from harness.latents import Latents
from methods.base import Batch


class CropBatches:
    """Batches of crops of `frames` frames; shorter utterances are padded and masked.

    Utterances are drawn by length, so that every frame is equally likely to be seen.
    """

    def __init__(
        self, latents: Latents, subset: Sequence[str], frames: int, batch_size: int, seed: int
    ) -> None:
        self.latents = latents
        self.spans = [latents.spans[identity] for identity in subset]
        counts = np.array([count for _, count in self.spans], dtype=np.float64)
        self.weights = counts / counts.sum()
        self.frames, self.batch_size = frames, batch_size
        self.random = np.random.default_rng(seed)

    def draw(self) -> Batch:
        """Return the next batch."""
        rows = self.random.choice(len(self.spans), size=self.batch_size, p=self.weights)
        crops = [self.crop(*self.spans[row]) for row in rows]
        z, codes, mask = (torch.stack(parts) for parts in zip(*crops, strict=True))
        return Batch(codes=codes, z=z, mask=mask)

    def crop(self, start: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return z (frames, D), codes (N, frames) and mask (frames,) of one random crop."""
        length = min(count, self.frames)
        first = start + int(self.random.integers(0, count - length + 1))
        z = np.zeros((self.frames, self.latents.z.shape[1]), np.float32)
        codes = np.zeros((self.latents.codes.shape[1], self.frames), np.int64)
        z[:length] = self.latents.z[first : first + length]
        codes[:, :length] = self.latents.codes[first : first + length].T
        mask = np.arange(self.frames) < length
        return torch.from_numpy(z), torch.from_numpy(codes), torch.from_numpy(mask)
