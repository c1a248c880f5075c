"""From crops to batches: latents and codes out of the memory-mapped cache, audio where needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from harness.audio import resample
from harness.data.read import read_utterance
from harness.latents.read import Latents
from harness.training.crops import Crop, CropSampler
from methods.base import Batch

HEARD_UTTERANCES = 256  # a few hundred MB at 24 kHz


@dataclass(frozen=True)
class Part:
    """One pass of a step: its crops, their batch, and its share of the step's frames."""

    crops: Sequence[Crop]
    batch: Batch
    share: float


class Loader:
    """Collates crops into batches of the shortest length that holds them, padded and masked."""

    def __init__(self, latents: Latents, audio: bool) -> None:
        self.latents, self.audio = latents, audio
        self.heard: OrderedDict[str, Tensor] = OrderedDict()

    def collate(self, crops: Sequence[Crop]) -> Batch:
        """Return z (B, F, D), codes (B, N, F), mask (B, F) and, if asked, wav (B, F * hop)."""
        size, longest = len(crops), max(crop.length for crop in crops)
        facts = self.latents.codec.facts
        z = torch.zeros(size, longest, facts.dimension)
        codes = torch.zeros(size, facts.codebooks, longest, dtype=torch.int64)
        mask = torch.zeros(size, longest, dtype=torch.bool)
        for row, crop in enumerate(crops):
            stored_z, stored_codes = self.latents.view(*crop)
            z[row, : crop.length] = stored_z
            codes[row, :, : crop.length] = stored_codes.T
            mask[row, : crop.length] = True
        return Batch(codes=codes, z=z, mask=mask, wav=self.wav(crops, longest))

    def parts(self, crops: Sequence[Crop], shards: Sequence[int], count: int) -> list[Part]:
        """Split a step's crops into `count` shards and return those asked for as batches."""
        total = sum(crop.length for crop in crops)
        found = []
        for shard in shards:
            own = crops[shard::count]
            share = sum(crop.length for crop in own) / total
            found.append(Part(own, self.collate(own), share))
        return found

    def wav(self, crops: Sequence[Crop], longest: int) -> Tensor | None:
        """Return the crops' audio (B, longest * hop) at the codec's rate, if it is asked for."""
        if not self.audio:
            return None
        hop = self.latents.codec.hop
        wav = torch.zeros(len(crops), longest * hop)
        for row, crop in enumerate(crops):
            start, count = crop.first * hop, crop.length * hop
            wav[row, :count] = self.hear(crop.utterance)[start : start + count]
        return wav

    def hear(self, utterance: str) -> Tensor:
        """Return an utterance's audio (F * hop,) at the codec's rate; the last few are kept."""
        if utterance in self.heard:
            self.heard.move_to_end(utterance)
            return self.heard[utterance]
        codec, corpus = self.latents.codec, self.latents.corpus
        samples = read_utterance(corpus, self.latents.row(utterance))
        wav = torch.from_numpy(resample(samples, corpus.sample_rate, codec.facts.sample_rate))
        # The frames cover the last sample; what they cover beyond it is silence.
        wav = functional.pad(
            wav, (0, max(0, self.latents.frames(utterance) * codec.hop - len(wav)))
        )
        self.heard[utterance] = wav
        if len(self.heard) > HEARD_UTTERANCES:
            self.heard.popitem(last=False)
        return wav


def sampler(
    latents: Latents, utterances: Sequence[str], frames: int, size: int, seed: int, shards: int = 1
) -> CropSampler:
    """Return a sampler of crops of at most `frames` frames; see `CropSampler`."""
    counts = [latents.frames(utterance) for utterance in utterances]
    return CropSampler(utterances, counts, frames, size, seed, shards)
