"""What the latent caches of a plan will cost, beside what their finished shards did cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from harness.codecs.catalog import family_of
from harness.latents.predict import (
    expected_shards,
    measured_encode_rtf,
    predict_bytes,
    predict_encode_seconds,
    read_record,
)
from harness.latents.spec import Shard
from harness.plan import Plan, PlannedCodec
from harness.store import Store

UTTERANCE_SECONDS = 12.3  # LibriSpeech's mean: what one utterance of a corpus not at hand may be


@dataclass(frozen=True)
class Forecast:
    """One codec's cache.

    `seconds` is from this store's own measurements where `basis` is "measured", else from the
    figure its family declares ("reference"), and None where there is neither. `measured_bytes`
    and `measured_seconds` (of one worker) are of the `finished` shards alone, which are expected
    to take `finished_bytes`. A shard whose record is damaged, or that lacks a file, is not
    finished.
    """

    codec: str
    hours: float
    shards: int
    bytes: int
    seconds: float | None
    basis: str | None
    finished: int
    finished_bytes: int
    measured_bytes: int
    measured_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


def forecast(plan: Plan, store: Store | None, hours: float | None = None) -> list[Forecast]:
    """Forecast every codec's cache: of the plan's own audio, or of so many hours of other audio."""
    return [of_codec(plan, codec, store, hours) for codec in plan.codecs]


def of_codec(plan: Plan, codec: PlannedCodec, store: Store | None, hours: float | None) -> Forecast:
    """Forecast one codec's cache."""
    kept, shards = plan.config.latents, codec.cache.shards
    rows = [row for shard in shards for row in shard.rows]
    seconds, utterances, count = sum(row.seconds for row in rows), len(rows), len(shards)
    if hours is not None:
        seconds, utterances = 3600 * hours, round(3600 * hours / UTTERANCE_SECONDS)
        count = expected_shards(seconds, kept.shard_minutes)
    size = predict_bytes(
        codec.facts, seconds, utterances, count, codec.cache.precision, codec.cache.keep
    )
    rtf = measured_encode_rtf(store, codec.facts.sha256) if store else None
    reference = family_of(codec.config).encode_rtf.get(codec.config.name)
    basis = "measured" if rtf is not None else "reference" if reference is not None else None
    rtf = reference if rtf is None else rtf
    workers = plan.config.compute.workers
    done = [cost for shard in shards if store and (cost := cost_of(store, shard))]
    done_rows = [row for cost in done for row in cost.shard.rows]
    expected = predict_bytes(
        codec.facts,
        sum(row.seconds for row in done_rows),
        len(done_rows),
        len(done),
        codec.cache.precision,
        codec.cache.keep,
    )
    return Forecast(
        codec=codec.facts.name,
        hours=seconds / 3600,
        shards=count,
        bytes=size,
        seconds=None if rtf is None else predict_encode_seconds(seconds, rtf, workers),
        basis=basis,
        finished=len(done),
        finished_bytes=expected,
        measured_bytes=sum(cost.bytes for cost in done),
        measured_seconds=sum(cost.seconds for cost in done),
    )


@dataclass(frozen=True)
class Cost:
    """A finished shard, its files' size, and the seconds it took to encode."""

    shard: Shard
    bytes: int
    seconds: float


def cost_of(store: Store, shard: Shard) -> Cost | None:
    """Return what a shard did cost; None if its record is unusable or a file of it is missing."""
    record = read_record(store, shard.id)
    if record is None:
        return None
    folder = store.folder("latents", shard.id)
    try:
        size = sum((folder / name).stat().st_size for name in ("record.json", *record.sha256))
    except FileNotFoundError:
        return None
    return Cost(shard, size, record.encode_seconds)
