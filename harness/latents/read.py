"""The latent cache opened for reading: random access to any segment of any utterance."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor

from harness.codecs.base import Codec
from harness.data.corpus import Corpus, Utterance
from harness.latents.arrays import DTYPES, map_array
from harness.latents.encode import encode_utterance
from harness.latents.shard import Spans, damaged, verify
from harness.latents.spec import Cache, Shard
from harness.store import Store

MAPPED_SHARDS = 16_384  # two mappings each; Linux allows a process 65530
ENCODED_UTTERANCES = 64
Place = tuple[Tensor | None, Tensor, int, int]  # z, codes, first frame, frames


class Latents:
    """A cache over a store. Shards are opened when first used, and then verified, once.

    In codes mode z is encoded again, whole utterances at a time, and the last few are kept.
    All reading raises DamagedShard if a shard is absent, half-written or changed.
    """

    def __init__(self, store: Store, cache: Cache, codec: Codec, corpus: Corpus) -> None:
        self.store, self.cache, self.codec, self.corpus = store, cache, codec, corpus
        self.spans: dict[str, Spans] = {}
        self.mapped: list[Shard] = []
        self.places: dict[str, Place] = {}
        self.encoded: OrderedDict[str, Tensor] = OrderedDict()

    def open(self, shard: Shard) -> None:
        """Verify a shard, once, and map its arrays."""
        if shard.id not in self.spans:
            _, self.spans[shard.id] = verify(self.store.folder("latents", shard.id), shard.id)
        if shard.rows[0].id in self.places:
            return
        if len(self.mapped) >= MAPPED_SHARDS:
            for row in self.mapped.pop(0).rows:
                del self.places[row.id]
        z, codes = self.map(shard)
        for row in shard.rows:
            self.places[row.id] = (z, codes, *self.spans[shard.id][row.id])
        self.mapped.append(shard)

    def map(self, shard: Shard) -> tuple[Tensor | None, Tensor]:
        """Map a verified shard's z (None in codes mode) and codes."""
        folder = self.store.folder("latents", shard.id)
        z = None
        try:
            if self.cache.keep == "latents":
                z = map_array(folder / "z.npy", DTYPES[self.cache.precision])
            return z, map_array(folder / "codes.npy", torch.int16)
        except FileNotFoundError as error:
            raise damaged(folder, shard.id, "was removed") from error

    def frames(self, utterance: str) -> int:
        """Return an utterance's length in frames."""
        shard = self.cache.home[utterance]
        self.open(shard)
        return self.spans[shard.id][utterance][1]

    def row(self, utterance: str) -> Utterance:
        """Return an utterance's row in the manifest."""
        return next(row for row in self.cache.home[utterance].rows if row.id == utterance)

    def find(self, utterance: str) -> Place:
        """Return where an utterance lies, its shard opened."""
        self.open(self.cache.home[utterance])
        return self.places[utterance]

    def view(self, utterance: str, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Return z (count, D) and codes (count, N) as they are stored. Not to be written to.

        Raises IndexError if the utterance does not have these frames.
        """
        z, codes, start, frames = self.places.get(utterance) or self.find(utterance)
        if first < 0 or first + count > frames:
            raise IndexError(f"frames {first}:{first + count} of '{utterance}', which has {frames}")
        start += first
        if z is None:
            return self.encode(utterance).narrow(0, first, count), codes.narrow(0, start, count)
        return z.narrow(0, start, count), codes.narrow(0, start, count)

    def read(self, utterance: str, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Return a copy of z (count, D) float32 and codes (N, count) int64; see `view`."""
        z, codes = self.view(utterance, first, count)
        return z.to(torch.float32, copy=True), codes.T.long()

    def encode(self, utterance: str) -> Tensor:
        """Return z (F, D) of a whole utterance, as the float32 cache would hold it."""
        if utterance in self.encoded:
            self.encoded.move_to_end(utterance)
            return self.encoded[utterance]
        z = encode_utterance(self.codec, self.corpus, self.row(utterance)).z[0]
        self.encoded[utterance] = z
        if len(self.encoded) > ENCODED_UTTERANCES:
            self.encoded.popitem(last=False)
        return z
