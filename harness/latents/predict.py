"""What a latent cache will cost, in bytes and in seconds, before anything is encoded.

Works from hours alone, so also for a corpus that is not on this disk. Imports no torch.
"""

from __future__ import annotations

from harness.latents.shard import ShardRecord, parse_record
from harness.latents.spec import Keep, Precision
from harness.records import CodecFacts
from harness.store import Store

WIDTH: dict[Precision, int] = {"float32": 4, "float16": 2, "bfloat16": 2}
CODE_BYTES = 2
HEADER_BYTES = 128  # of a .npy file
SPAN_BYTES = 32  # one utterance in spans.json, its id of some 16 letters included
RECORD_BYTES = 1500  # record.json, most of it provenance
RECORDS_READ = 32


def predict_bytes(
    facts: CodecFacts,
    seconds_of_audio: float,
    utterances: int,
    shards: int,
    precision: Precision,
    keep: Keep,
) -> int:
    """Return the size of a cache's files in bytes (not of the blocks they occupy)."""
    frames = seconds_of_audio * facts.frame_rate + utterances / 2  # each one's last is padded
    latent = facts.dimension * WIDTH[precision] if keep == "latents" else 0
    arrays = 2 if keep == "latents" else 1
    fixed = utterances * SPAN_BYTES + shards * (RECORD_BYTES + arrays * HEADER_BYTES)
    return round(frames * (facts.codebooks * CODE_BYTES + latent) + fixed)


def expected_shards(seconds_of_audio: float, shard_minutes: float) -> int:
    """Return about how many shards `harness.latents.spec.cut` makes of so much audio."""
    return max(1, round(seconds_of_audio / (60 * shard_minutes)))


def predict_encode_seconds(seconds_of_audio: float, real_time_factor: float, workers: int) -> float:
    """Return the seconds that `workers` take together; `real_time_factor` is one worker's."""
    return seconds_of_audio * real_time_factor / workers


def measured_encode_rtf(store: Store, codec_sha256: str) -> float | None:
    """Return the measured seconds of encoding per second of audio; None if none was measured.

    From at most `RECORDS_READ` finished shards of the codec.
    """
    spent = audio = 0.0
    found = 0
    for identity in sorted(store.finished("latents")):
        record = read_record(store, identity)
        if record is None or record.codec != codec_sha256:
            continue
        spent, audio = spent + record.encode_seconds, audio + record.audio_seconds
        found += 1
        if found == RECORDS_READ:
            break
    return spent / audio if audio else None


def read_record(store: Store, identity: str) -> ShardRecord | None:
    """Return a shard's record; None if it is absent or damaged: a run finds and rebuilds it."""
    path = store.folder("latents", identity) / "record.json"
    try:
        return parse_record(path.read_bytes(), identity)
    except (OSError, ValueError):
        return None
