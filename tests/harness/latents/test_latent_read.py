from pathlib import Path

import numpy as np
import pytest
import torch
from latent_helpers import Make

from harness.codecs.base import Codec
from harness.data.embedded import EmbeddedCorpus
from harness.latents import encode_utterance
from harness.latents import read as reading
from harness.latents.read import Latents
from harness.latents.shard import DamagedShard


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_segments_are_those_of_the_stored_array(make: Make, tmp_path: Path, precision: str) -> None:
    latents = make(tmp_path, precision)
    for shard in latents.cache.shards:
        whole = np.load(tmp_path / "latents" / shard.id / "z.npy")
        if precision == "bfloat16":
            assert whole.dtype == np.uint16
            whole = (whole.astype(np.uint32) << 16).view(np.float32)
        codes = np.load(tmp_path / "latents" / shard.id / "codes.npy")
        for row in shard.rows:
            frames = latents.frames(row.id)
            z, c = latents.read(row.id, 3, frames - 5)
            start = latents.spans[shard.id][row.id][0] + 3
            assert (z.dtype, c.dtype) == (torch.float32, torch.int64)
            assert np.array_equal(z, whole[start : start + frames - 5].astype(np.float32))
            assert np.array_equal(c, codes[start : start + frames - 5].T)


def test_codes_mode_gives_the_values_of_the_float32_cache(make: Make, tmp_path: Path) -> None:
    exact, codes = make(tmp_path / "a"), make(tmp_path / "b", "float16", "codes")
    for shard in codes.cache.shards:
        assert not (tmp_path / "b" / "latents" / shard.id / "z.npy").exists()
    for name in exact.cache.home:
        frames = exact.frames(name)
        assert codes.frames(name) == frames
        for one, two in zip(
            exact.read(name, 2, frames - 2), codes.read(name, 2, frames - 2), strict=True
        ):
            assert torch.equal(one, two)


def test_codes_mode_keeps_the_last_utterances_alone(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = make(tmp_path, "float32", "codes")
    calls: list[str] = []

    def counted(codec: Codec, corpus: EmbeddedCorpus, row: reading.Shard) -> object:
        calls.append(row.id)
        return encode_utterance(codec, corpus, row)

    monkeypatch.setattr(reading, "encode_utterance", counted)
    monkeypatch.setattr(reading, "ENCODED_UTTERANCES", 2)
    one, two, three = list(latents.cache.home)[:3]
    for name in (one, one, two, three, two, one):
        latents.read(name, 0, 4)
    assert calls == [one, two, three, one]


def test_what_is_read_may_be_written_to_without_changing_the_cache(
    make: Make, tmp_path: Path
) -> None:
    latents = make(tmp_path)
    name = next(iter(latents.cache.home))
    z, _ = latents.read(name, 0, 4)
    kept = z.clone()
    z.zero_()
    assert torch.equal(latents.read(name, 0, 4)[0], kept)


def test_frames_outside_the_utterance_are_refused(make: Make, tmp_path: Path) -> None:
    latents = make(tmp_path)
    name = list(latents.cache.home)[1]
    frames = latents.frames(name)
    for first, count in ((-1, 2), (0, frames + 1), (frames, 1)):
        with pytest.raises(IndexError, match=name):
            latents.read(name, first, count)


def test_more_shards_than_may_be_mapped(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = make(tmp_path)
    plain = {name: latents.read(name, 0, 4)[0] for name in latents.cache.home}
    monkeypatch.setattr(reading, "MAPPED_SHARDS", 1)
    tight = Latents(latents.store, latents.cache, latents.codec, latents.corpus)
    for name in [*plain, *reversed(list(plain))]:
        assert torch.equal(tight.read(name, 0, 4)[0], plain[name])
        assert len(tight.mapped) == 1


def test_an_open_shard_holds_no_file(make: Make, tmp_path: Path) -> None:
    latents = make(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in latents.cache.home:
        latents.read(name, 0, 4)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("name", ["z.npy", "codes.npy", "spans.json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "removed"])
def test_a_damaged_file_is_never_used(make: Make, tmp_path: Path, name: str, damage: str) -> None:
    latents = make(tmp_path)
    shard = latents.cache.shards[1]
    path = tmp_path / "latents" / shard.id / name
    spoil(path, damage)
    latents.read(latents.cache.shards[0].rows[0].id, 0, 1)  # the others stay usable
    with pytest.raises(DamagedShard) as caught:
        latents.read(shard.rows[0].id, 0, 1)
    assert str(path) in str(caught.value)
    assert shard.id in str(caught.value)


def spoil(path: Path, damage: str) -> None:
    data = bytearray(path.read_bytes())
    path.unlink()
    if damage != "removed":
        data[-1] ^= 1
        path.write_bytes(data if damage == "flipped" else data[:-1])


@pytest.mark.parametrize("text", [None, "", "{", "{}"])
def test_a_half_written_shard_is_never_used(make: Make, tmp_path: Path, text: str | None) -> None:
    latents = make(tmp_path)
    path = tmp_path / "latents" / latents.cache.shards[0].id / "record.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(DamagedShard, match=r"record\.json"):
        latents.frames(latents.cache.shards[0].rows[0].id)


def test_a_shard_under_anothers_id_is_never_used(make: Make, tmp_path: Path) -> None:
    latents = make(tmp_path)
    one, two = (tmp_path / "latents" / shard.id for shard in latents.cache.shards[:2])
    two.rename(tmp_path / "aside")
    one.rename(two)
    with pytest.raises(DamagedShard):
        latents.frames(latents.cache.shards[1].rows[0].id)
