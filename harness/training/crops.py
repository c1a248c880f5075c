"""Which crops a training step sees: a pure function of the seed and the step, so resume is exact.

Crops of about the same length share a batch, so that little of it is padding, and a batch of short
ones holds more of them: about the same number of frames in every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BUCKETS = 8


class Crop(NamedTuple):
    """`length` frames of an utterance from frame `first`."""

    utterance: str
    first: int
    length: int

    def __str__(self) -> str:
        """Name the crop as messages do."""
        return f"{self.utterance}[{self.first}:{self.first + self.length}]"


@dataclass(frozen=True)
class Bucket:
    """Utterances whose crops are of similar length, and how many crops of them make a batch."""

    members: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    crops: int


class CropSampler:
    """Draws batches in which every utterance has its share of the audio.

    An utterance of n frames counts as n / min(n, frames) crops; crops lie anywhere within it, so
    the edges of long ones are seen less than their middle. The number of crops in a batch is
    a multiple of `shards`, the parts it is split into.
    """

    def __init__(
        self,
        utterances: Sequence[str],
        counts: Sequence[int],
        frames: int,
        batch_size: int,
        seed: int,
        shards: int = 1,
    ) -> None:
        self.utterances, self.seed = utterances, seed
        self.counts = np.array(counts, dtype=np.int64)
        self.lengths = np.minimum(self.counts, frames)
        slot = np.ceil(self.lengths * BUCKETS / frames).astype(np.int64)
        self.buckets = [
            self._bucket(np.flatnonzero(slot == number), batch_size * frames, shards)
            for number in np.unique(slot)
        ]
        chances = [self._crops(b.members).sum() / b.crops for b in self.buckets]
        self.chances = np.cumsum(chances) / np.sum(chances)

    def _crops(self, members: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return how many crops each utterance counts as."""
        crops: npt.NDArray[np.float64] = self.counts[members] / self.lengths[members]
        return crops

    def _bucket(self, members: npt.NDArray[np.int64], frames: int, shards: int) -> Bucket:
        shares = np.cumsum(self._crops(members))
        crops = frames // int(self.lengths[members].max()) // shards * shards
        return Bucket(members, shares / shares[-1], max(shards, crops))

    def draw(self, step: int) -> list[Crop]:
        """Return the crops of a step, counted from 1."""
        random = np.random.default_rng([self.seed, step])
        place = int(np.searchsorted(self.chances, random.random(), side="right"))
        bucket = self.buckets[min(place, len(self.buckets) - 1)]
        drawn = np.searchsorted(bucket.shares, random.random(bucket.crops), side="right")
        rows = bucket.members[np.minimum(drawn, len(bucket.members) - 1)]
        starts = random.integers(0, self.counts[rows] - self.lengths[rows] + 1)
        return [
            Crop(self.utterances[row], int(first), int(self.lengths[row]))
            for row, first in zip(rows.tolist(), starts.tolist(), strict=True)
        ]
