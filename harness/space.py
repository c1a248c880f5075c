"""From a codec and a training subset to what a method may know: the standardised latent space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from harness.codecs.base import Codec
from harness.latents import Latents
from methods.base import LatentSpace


def untrained_space(codec: Codec) -> LatentSpace:
    """Return a space without standardisation, for anchors and for loading trained weights into."""
    size = codec.facts.dimension
    return LatentSpace(
        codec.codebooks(), torch.zeros(size), torch.ones(size), codec.facts.frame_rate
    )


def trained_space(codec: Codec, latents: Latents, subset: Sequence[str]) -> LatentSpace:
    """Return the space standardised by z's statistics over the trial's own training subset."""
    parts = [
        latents.z[start : start + count] for start, count in (latents.spans[i] for i in subset)
    ]
    frames = np.concatenate(parts).astype(np.float64)
    mean, std = (torch.from_numpy(x).float() for x in (frames.mean(0), frames.std(0)))
    return LatentSpace(codec.codebooks(), mean, std.clamp(min=1e-5), codec.facts.frame_rate)
