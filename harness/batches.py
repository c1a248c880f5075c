"""Draw training batches from the latent cache: random crops of a fixed length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from harness.latents.read import Latents
from methods.base import Batch


class CropBatches:
    """Batches of crops of `frames` frames; shorter utterances are padded and masked.

    Utterances are drawn by length, so that every frame is equally likely to be seen.
    """

    def __init__(
        self, latents: Latents, subset: Sequence[str], frames: int, batch_size: int, seed: int
    ) -> None:
        self.latents, self.subset = latents, list(subset)
        self.counts = [latents.frames(utterance) for utterance in subset]
        # Cumulative shares: what Generator.choice computes anew from its `p` at every call.
        self.shares = np.cumsum(np.array(self.counts, dtype=np.float64))
        self.shares /= self.shares[-1]
        self.frames, self.batch_size = frames, batch_size
        self.random = np.random.default_rng(seed)

    def draw(self) -> Batch:
        """Return the next batch: z (B, frames, D), codes (B, N, frames), mask (B, frames)."""
        size, facts = self.batch_size, self.latents.codec.facts
        z = torch.zeros(size, self.frames, facts.dimension)
        codes = torch.zeros(size, facts.codebooks, self.frames, dtype=torch.int64)
        mask = torch.zeros(size, self.frames, dtype=torch.bool)
        rows = np.searchsorted(self.shares, self.random.random(size), side="right")
        for place, row in enumerate(rows):
            length = min(self.counts[row], self.frames)
            first = int(self.random.integers(0, self.counts[row] - length + 1))
            stored_z, stored_codes = self.latents.view(self.subset[row], first, length)
            z[place, :length] = stored_z
            codes[place, :, :length] = stored_codes.T
            mask[place, :length] = True
        return Batch(codes=codes, z=z, mask=mask)
