"""What a latent cache consists of: shards named by their content, so that equal ones are shared.

Imports no torch: `resynth plan` uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from harness.data.corpus import Utterance
from harness.identity import audio_digest, digest

Precision = Literal["float32", "float16", "bfloat16"]
Keep = Literal["latents", "codes"]


@dataclass(frozen=True)
class Shard:
    """Some utterances, in id order, whose latents lie in one folder of the store."""

    id: str
    rows: tuple[Utterance, ...]


@dataclass(frozen=True)
class Cache:
    """All shards of a plan's training and validation audio, and how z is stored in them.

    With keep "codes", z is not stored but encoded again when it is read, in float32.
    """

    precision: Precision
    keep: Keep
    shards: tuple[Shard, ...]

    @cached_property
    def home(self) -> dict[str, Shard]:
        """The shard of every utterance id."""
        return {row.id: shard for shard in self.shards for row in shard.rows}

    def shards_of(self, utterances: Iterable[str]) -> tuple[Shard, ...]:
        """Return the shards that hold these utterances, each once, in the cache's order."""
        wanted = {self.home[utterance].id for utterance in utterances}
        return tuple(shard for shard in self.shards if shard.id in wanted)


def plan_cache(
    codec_id: str,
    code_id: str,
    rows: Sequence[Utterance],
    precision: Precision,
    keep: Keep,
    shard_minutes: float,
) -> Cache:
    """Cut `rows` into shards of about `shard_minutes` of audio and name them by their content.

    `codec_id` stands for weights and number of codebooks, `code_id` for the code that encodes.
    """
    stored: Precision = "float32" if keep == "codes" else precision
    shards = []
    for part in cut(sorted(rows, key=lambda row: row.id), 60 * shard_minutes):
        content = {
            "codec": codec_id,
            "code": code_id,
            "precision": stored,
            "keep": keep,
            "audio": audio_digest(part),
        }
        shards.append(Shard(digest(content), tuple(part)))
    return Cache(stored, keep, tuple(shards))


def cut(rows: Sequence[Utterance], seconds: float) -> Iterator[list[Utterance]]:
    """Cut rows into parts of half to twice `seconds` (a last utterance may exceed it).

    Past half its length a part ends at an utterance drawn by the hash of its own id, so when
    utterances are added or left out (a voice, say), the parts before and soon after stay equal.
    """
    part: list[Utterance] = []
    used = 0.0
    for row in rows:
        part.append(row)
        used += row.seconds
        draw = int(row.order[16:24], 16) / 16**8
        if used >= 2 * seconds or (used >= seconds / 2 and draw < row.seconds / (seconds / 2)):
            yield part
            part, used = [], 0.0
    if part:
        yield part
