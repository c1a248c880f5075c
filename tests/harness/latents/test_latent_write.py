import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from latent_helpers import Make, plan_small, silent

from harness.codecs.base import Codec, Encoded
from harness.data.corpus import Utterance
from harness.data.embedded import EmbeddedCorpus
from harness.errors import UserError
from harness.latents import encode_utterance
from harness.latents.shard import verify
from harness.latents.write import write_shard
from harness.store import Store


def test_files_hold_what_the_codec_gives(
    make: Make, codec: Codec, corpus: EmbeddedCorpus, tmp_path: Path
) -> None:
    latents = make(tmp_path)
    assert len(latents.cache.shards) > 1
    for shard in latents.cache.shards:
        folder = tmp_path / "latents" / shard.id
        record, spans = verify(folder, shard.id)
        z, codes = np.load(folder / "z.npy"), np.load(folder / "codes.npy")
        assert (z.dtype, codes.dtype) == (np.float32, np.int16)
        assert record.frames == len(z) == len(codes)
        assert record.relative_error == 0
        assert record.provenance.hardware["processor"]
        assert list(spans) == [row.id for row in shard.rows]
        for row in shard.rows:
            first, count = spans[row.id]
            encoded = encode_utterance(codec, corpus, row)
            assert np.array_equal(z[first : first + count], encoded.z[0])
            assert np.array_equal(codes[first : first + count], encoded.codes[0].T)


@pytest.mark.parametrize(("precision", "most"), [("float16", 4e-4), ("bfloat16", 4e-3)])
def test_the_error_of_a_precision_is_measured(
    make: Make, tmp_path: Path, precision: str, most: float
) -> None:
    exact, short = make(tmp_path / "a"), make(tmp_path / "b", precision)
    for one, two in zip(exact.cache.shards, short.cache.shards, strict=True):
        z, change = [], []
        for row in one.rows:
            frames = exact.frames(row.id)
            z.append(exact.read(row.id, 0, frames)[0].double())
            change.append(short.read(row.id, 0, frames)[0].double() - z[-1])
        error = torch.cat(change).square().mean().sqrt() / torch.cat(z).square().mean().sqrt()
        record, _ = verify(tmp_path / "b" / "latents" / two.id, two.id)
        assert record.relative_error == pytest.approx(float(error), rel=1e-6)
        assert most / 10 < float(error) < most


class Warped(torch.nn.Module):
    """The codec with its latents or codes changed: what broken weights would give."""

    def __init__(self, codec: Codec, scale: float = 1.0, shift: int = 0) -> None:
        super().__init__()
        self.codec, self.facts, self.hop = codec, codec.facts, codec.hop
        self.scale, self.shift = scale, shift

    def encode(self, wav: torch.Tensor) -> Encoded:
        encoded = self.codec.encode(wav)
        return Encoded(encoded.z * self.scale, encoded.codes + self.shift, encoded.frames)


@pytest.mark.parametrize(
    ("scale", "shift", "precision", "fault"),
    [
        (float("nan"), 0, "float32", "NaN or infinite latents"),
        (1e6, 0, "float16", "beyond float16"),
        (1.0, 1024, "float32", "outside 0 to 1023"),
        (1.0, -1024, "float32", "outside 0 to 1023"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_nothing_is_left(
    codec: Codec,
    corpus: EmbeddedCorpus,
    rows: list[Utterance],
    tmp_path: Path,
    scale: float,
    shift: int,
    precision: str,
    fault: str,
) -> None:
    store = Store.create(tmp_path)
    cache = plan_small(rows, precision, "latents")
    shard, broken = cache.shards[0], Warped(codec, scale, shift)
    with pytest.raises(UserError, match=fault) as caught:
        write_shard(store, shard, cache, broken, corpus, silent)
    assert shard.rows[0].id in str(caught.value)
    assert shard.rows[0].path in str(caught.value)
    assert store.finished("latents") == set()
    assert list(store.staging.iterdir()) == []


def test_latents_beyond_float16_fit_bfloat16(
    codec: Codec, corpus: EmbeddedCorpus, rows: list[Utterance], tmp_path: Path
) -> None:
    cache = plan_small(rows, "bfloat16", "latents")
    store, shard = Store.create(tmp_path), cache.shards[0]
    write_shard(store, shard, cache, Warped(codec, 1e6), corpus, silent)
    assert verify(store.folder("latents", shard.id), shard.id)[0].relative_error < 4e-3


class OneFile(EmbeddedCorpus):
    """The embedded corpus with other samples in every file."""

    def __init__(self, samples: np.ndarray) -> None:
        super().__init__()
        file = io.BytesIO()
        soundfile.write(file, samples, self.sample_rate, format="WAV", subtype="FLOAT")
        self.data = file.getvalue()

    def read_bytes(self, utterance: Utterance) -> bytes:
        return self.data


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (np.full(200, 0.1, np.float32), "less than one frame"),
        (np.array([0.1, np.nan] * 8000, np.float32), "NaN or infinite samples"),
    ],
)
def test_audio_that_cannot_be_encoded_is_refused(
    codec: Codec, rows: list[Utterance], tmp_path: Path, samples: np.ndarray, fault: str
) -> None:
    corpus = OneFile(samples)
    bad = [replace(rows[0], sha256=hashlib.sha256(corpus.data).hexdigest())]
    cache = plan_small(bad, "float32", "latents")
    with pytest.raises(UserError, match=fault) as caught:
        write_shard(Store.create(tmp_path), cache.shards[0], cache, codec, corpus, silent)
    assert rows[0].id in str(caught.value)
    assert rows[0].path in str(caught.value)
