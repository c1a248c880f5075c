"""Seeded mini-batch k-means on a CPU or GPU, for codebooks of thousands of entries.

Mini-batches first, each centre moving at a rate of one over its count (Sculley 2010, "Web-scale
k-means clustering", algorithm 1), then a few full passes of Lloyd's algorithm. Shapes: frames x
(M, D), centres (K, D). Every draw is from a CPU generator and every sum in a fixed order, so a seed
gives one result on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.codecs.requantized import nearest
from harness.errors import UserError


@dataclass(frozen=True)
class KMeansSettings:
    """How much work a fit is.

    `epochs` of mini-batches of `batch_per_entry` * K frames, then `lloyd_passes` over all frames.
    After every `round_batches` the counts shrink to `kept_count`, so that early, poor places of
    the centres weigh less: on 320 000 frames of the tiny codec this loses 0.7 % less at K = 1024.
    The first centres are drawn in `seeding_rounds` from at most `seeding_per_entry` * K frames.
    """

    batch_per_entry: int = 8
    epochs: int = 3
    round_batches: int = 4
    kept_count: float = 0.25
    lloyd_passes: int = 2
    seeding_rounds: int = 4
    seeding_per_entry: int = 8


DEFAULTS = KMeansSettings()


def fit_codebook(
    x: Tensor, entries: int, generator: torch.Generator, settings: KMeansSettings = DEFAULTS
) -> Tensor:
    """Return `entries` centres (K, D) of the frames x (M, D), on x's device.

    `generator` is a CPU generator. Raises UserError for fewer frames than entries, or frames that
    are not finite.
    """
    if len(x) < entries:
        raise UserError(
            f"{len(x)} frames cannot fit a codebook of {entries} entries; give more audio or "
            "fewer entries"
        )
    if not torch.isfinite(x).all():
        raise UserError("the latents to fit hold NaN or infinite values; check the codec's weights")
    centres = first_centres(x, entries, generator, settings)
    centres = run_batches(x, centres, generator, settings)
    for _ in range(settings.lloyd_passes):
        codes = nearest(x, centres)
        sums, counts = sum_members(x, codes, entries)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
        centres = restart(centres, counts == 0, x, generator)
    return centres


def first_centres(
    x: Tensor, entries: int, generator: torch.Generator, settings: KMeansSettings
) -> Tensor:
    """Draw K frames as first centres, in rounds: the first at random, later ones far from them.

    A frame's chance grows with its squared distance from the centres so far, as in k-means||
    (Bahmani et al. 2012, algorithm 2), but K / rounds are taken in each. Where fewer frames than
    entries differ, the rest are repeated ones, which stay unused.
    """
    order = torch.randperm(len(x), generator=generator).to(x.device)
    pool = x[order[: entries * settings.seeding_per_entry]]
    rounds = min(settings.seeding_rounds, entries)
    centres = pool[: entries - (rounds - 1) * (entries // rounds)]
    for _ in range(rounds - 1):
        centres = torch.cat([centres, far_frames(pool, centres, entries // rounds, generator)])
    return torch.cat([centres, pool[: entries - len(centres)]])


def run_batches(
    x: Tensor, centres: Tensor, generator: torch.Generator, settings: KMeansSettings
) -> Tensor:
    """Move centres by mini-batches; one that a whole round of batches left empty starts anew."""
    totals = torch.zeros(len(centres), 1, device=x.device)
    before = totals
    size = settings.batch_per_entry * len(centres)
    for number, batch in enumerate(batches(x, size, generator, settings.epochs), 1):
        sums, counts = sum_members(batch, nearest(batch, centres), len(centres))
        totals = totals + counts
        centres = centres + (sums - counts * centres) / totals.clamp(min=1)
        if number % settings.round_batches == 0:
            dead = totals == before
            centres = restart(centres, dead, batch, generator)
            before = totals = totals.masked_fill(dead, 0) * settings.kept_count
    return centres


def batches(x: Tensor, size: int, generator: torch.Generator, epochs: int) -> Iterator[Tensor]:
    """Yield mini-batches (size, D); each epoch shows every frame once, in a new order."""
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator).to(x.device)
        for places in torch.split(order, size):
            yield x[places]


def restart(centres: Tensor, dead: Tensor, x: Tensor, generator: torch.Generator) -> Tensor:
    """Put each dead centre, of a mask (K, 1), on a frame far from its centre, if there is one."""
    places = dead[:, 0].nonzero()[:, 0]
    if len(places) == 0:
        return centres
    far = far_frames(x, centres, len(places), generator)
    return centres.index_copy(0, places[: len(far)], far)


def far_frames(x: Tensor, centres: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw up to `count` frames, each by its squared distance from the nearest centre.

    Without replacement (exponential races); frames that lie on a centre are never drawn.
    """
    distances = (x - centres[nearest(x, centres)]).square().sum(1)
    races = torch.empty(len(x)).exponential_(generator=generator).to(x.device)
    count = min(count, int((distances > 0).sum()))
    return x[(distances / races).topk(count).indices]


def sum_members(x: Tensor, codes: Tensor, entries: int) -> tuple[Tensor, Tensor]:
    """Return the sums (K, D) and counts (K, 1) of each centre's frames, in order: no atomics."""
    counts = torch.bincount(codes, minlength=entries)
    ordered = x[codes.argsort(stable=True)]
    sums = torch.segment_reduce(ordered, "sum", lengths=counts, axis=0)
    return sums, counts[:, None].to(x.dtype)
