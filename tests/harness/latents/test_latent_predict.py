from pathlib import Path

import pytest
from latent_helpers import Make

from harness.codecs.base import Codec
from harness.data.embedded import EmbeddedCorpus
from harness.latents.predict import (
    expected_shards,
    measured_encode_rtf,
    predict_bytes,
    predict_encode_seconds,
)
from harness.latents.read import Latents
from harness.latents.spec import plan_cache
from harness.latents.write import write_shard
from harness.records import CodecFacts
from harness.store import Store


def size_on_disk(store: Store) -> int:
    return sum(path.stat().st_size for path in (store.root / "latents").rglob("*.*"))


@pytest.mark.parametrize(
    ("precision", "keep"),
    [("float32", "latents"), ("float16", "latents"), ("bfloat16", "latents"), ("float32", "codes")],
)
def test_size_within_5_percent_of_real_shards(
    codec: Codec, corpus: EmbeddedCorpus, tmp_path: Path, precision: str, keep: str
) -> None:
    store, rows = Store.create(tmp_path), corpus.split("valid")[:12]
    cache = plan_cache("c", "x", rows, precision, keep, 0.5)
    for shard in cache.shards:
        write_shard(store, shard, cache, codec, corpus, lambda *_: None)
    seconds = sum(row.seconds for row in rows)
    predicted = predict_bytes(
        codec.facts,
        seconds,
        len(rows),
        len(cache.shards),
        precision,
        keep,
    )
    assert predicted == pytest.approx(size_on_disk(store), rel=0.05)


def test_from_hours_alone(codec: Codec) -> None:
    """LibriLight: 60 000 hours at 75 frames/s, each of 128 float16 values and 8 codes."""
    seconds = 60_000 * 3600
    shards = expected_shards(seconds, shard_minutes=30)
    assert shards == 120_000
    predicted = predict_bytes(codec.facts, seconds, 18_000_000, shards, "float16", "latents")
    assert predicted == pytest.approx(seconds * 75 * (2 * 128 + 2 * 8), rel=0.01)


def test_geometry_is_the_codecs_own(codec: Codec) -> None:
    facts: CodecFacts = codec.facts.model_copy(
        update={"frame_rate": 12.5, "codebooks": 32, "dimension": 512}
    )
    hour = predict_bytes(facts, 3600, 1, 1, "bfloat16", "latents")
    assert hour == pytest.approx(3600 * 12.5 * (512 * 2 + 32 * 2), rel=0.01)


def test_encode_time_comes_from_finished_shards_of_the_same_codec(
    make: Make, tmp_path: Path
) -> None:
    latents: Latents = make(tmp_path)
    store, sha256 = latents.store, latents.codec.facts.sha256
    rtf = measured_encode_rtf(store, sha256)
    assert rtf is not None
    assert 1e-4 < rtf < 1
    assert measured_encode_rtf(store, "another codec") is None
    broken = tmp_path / "latents" / latents.cache.shards[0].id / "record.json"
    broken.write_text("{")
    assert measured_encode_rtf(store, sha256) is not None
    assert predict_encode_seconds(3600, 0.02, workers=4) == 18


def test_an_empty_store_has_measured_nothing(tmp_path: Path) -> None:
    assert measured_encode_rtf(Store.create(tmp_path), "any") is None
