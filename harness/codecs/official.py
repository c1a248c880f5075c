"""The one place that imports the official `encodec` package."""

from __future__ import annotations

from typing import Any

import torch

from metrics.stand_in import without_torchaudio

without_torchaudio()

from encodec.model import EncodecModel  # noqa: E402
from encodec.quantization.core_vq import ResidualVectorQuantization  # noqa: E402


def residual_quantizer(codebooks: int, entries: int, dimension: int) -> ResidualVectorQuantization:
    """Return encodec's residual vector quantizer, ready to be trained on small batches."""
    make: type[ResidualVectorQuantization] = ResidualVectorQuantization
    options = {"kmeans_init": True, "kmeans_iters": 10}
    # A batch holds fewer frames than a codebook entries: 0.02 uses a batch is still alive.
    return make(
        num_quantizers=codebooks,
        dim=dimension,
        codebook_size=entries,
        threshold_ema_dead_code=0.02,
        **options,
    )


def codebook_vectors(quantizer: Any, first: int) -> list[torch.Tensor]:
    """Return the first codebooks, each (K, D), of a residual quantizer."""
    return [layer.codebook for layer in list(quantizer.layers)[:first]]


__all__ = ["EncodecModel", "ResidualVectorQuantization", "codebook_vectors", "residual_quantizer"]
