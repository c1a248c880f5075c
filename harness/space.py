"""From a codec and a training subset to what a method may know: the standardised latent space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.codecs.base import Codec
from harness.latents.read import Latents
from methods.base import LatentSpace


def untrained_space(codec: Codec) -> LatentSpace:
    """Return a space without standardisation, for anchors and for loading trained weights into."""
    size = codec.facts.dimension
    return space_of(codec, torch.zeros(size), torch.ones(size))


def trained_space(codec: Codec, latents: Latents, subset: Sequence[str]) -> LatentSpace:
    """Return the space standardised by z's statistics over the trial's own training subset."""
    mean, std = moments(latents, subset, codec.facts.dimension)
    return space_of(codec, mean.float(), std.float().clamp(min=1e-5))


def space_of(codec: Codec, mean: Tensor, std: Tensor) -> LatentSpace:
    """Return a codec's latent space, standardised by mean and std (D,)."""
    facts = codec.facts
    return LatentSpace(codec.codebooks(), mean, std, facts.frame_rate, facts.sample_rate)


def moments(latents: Latents, subset: Sequence[str], size: int) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (D,) of z in float64, one utterance in memory at a time.

    Sums of squares are about the running mean (Chan, Golub and LeVeque 1983, equation 1.5b), as
    plain ones lose digits where the mean is large.
    """
    mean, scatter = torch.zeros(2, size, dtype=torch.float64)
    seen = 0
    for utterance in subset:
        z = latents.read(utterance, 0, latents.frames(utterance))[0].double()
        count, own = len(z), z.mean(0)
        gap, share = own - mean, count / (seen + count)
        scatter = scatter + (z - own).square().sum(0) + gap.square() * (seen * share)
        mean = mean + gap * share
        seen += count
    return mean, (scatter / seen).sqrt()
