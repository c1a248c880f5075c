"""What a method may know of a codec: the latent space of its codebooks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from methods.data import Batch


class LatentSpace(nn.Module):
    """What a method may know of a codec: its codebooks, and its standardised latents.

    `codebooks` are the N effective ones, each (K, D); their vectors add up to the decoder's input.
    K may differ between them (`sizes`).
    `mean` and `std` (D,) are the target's statistics over the trial's own training subset. A frame
    is `hop` samples of the codec's audio at `sample_rate` Hz.
    """

    def __init__(
        self,
        codebooks: Sequence[Tensor] | Tensor,
        mean: Tensor,
        std: Tensor,
        frame_rate: float,
        sample_rate: int,
    ) -> None:
        super().__init__()
        for k, book in enumerate(codebooks):
            self.register_buffer(f"codebook_{k}", book, persistent=False)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.frame_rate, self.sample_rate = frame_rate, sample_rate
        self.hop = round(sample_rate / frame_rate)
        self.sizes = tuple(len(book) for book in codebooks)
        self.count, self.dimension = len(self.sizes), mean.shape[0]

    mean: Tensor
    std: Tensor

    def embed(self, codes: Tensor) -> Tensor:
        """Sum the vectors of codes (B, n, F), n <= N, into the latent (B, F, D)."""
        vectors = [self.codebook(k)[codes[:, k]] for k in range(codes.shape[1])]
        return torch.stack(vectors).sum(0)

    def codebook(self, k: int) -> Tensor:
        """Return the vectors (K, D) of codebook k, counted from 0."""
        book: Tensor = getattr(self, f"codebook_{k}")
        return book

    def standardise(self, latent: Tensor) -> Tensor:
        """Shift and scale (B, F, D) to zero mean and unit variance per dimension."""
        return (latent - self.mean) / self.std

    def coarse(self, x1: Tensor) -> Tensor:
        """Return the standardised embedding (B, F, D) of x1 (B, F)."""
        return self.standardise(self.embed(x1.unsqueeze(1)))

    def aim(self, batch: Batch, target: str) -> Tensor:
        """Return a batch's standardised target (B, F, D): "z", or the "embedding" of all codes."""
        return self.standardise(batch.z if target == "z" else self.embed(batch.codes))

    def restore(self, standardised: Tensor) -> Tensor:
        """Undo `standardise`."""
        return standardised * self.std + self.mean
