"""A second look at a corpus opens no audio, and a changed file is seen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data.filecache import FileCache, FileFacts
from harness.data.folder import FolderCorpus
from harness.errors import UserError

MakeAudio = Callable[..., Path]
FACTS = FileFacts("0" * 64, 1, 16_000, 1)


def refuse() -> FileFacts:
    raise AssertionError("measured again")


def test_kept_over_runs(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    cache = FileCache(tmp_path, tmp_path / "cache")
    assert cache.get("a", tmp_path / "a", lambda: FACTS) == FACTS
    cache.save()
    assert FileCache(tmp_path, tmp_path / "cache").get("a", tmp_path / "a", refuse) == FACTS


@pytest.mark.parametrize("content", [b"22", b"2"])
def test_changed_file_is_measured_again(tmp_path: Path, content: bytes) -> None:
    path, cache = tmp_path / "a", FileCache(tmp_path, tmp_path / "cache")
    path.write_bytes(b"1")
    cache.get("a", path, lambda: FACTS)
    path.write_bytes(content)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    with pytest.raises(AssertionError, match="measured again"):
        cache.get("a", path, refuse)


def test_two_writers_keep_each_others_entries(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"1")
    caches = [FileCache(tmp_path, tmp_path / "cache") for _ in range(2)]
    for name, cache in zip(("a", "b"), caches, strict=True):
        cache.get(name, tmp_path / name, lambda: FACTS)
        cache.save()
    third = FileCache(tmp_path, tmp_path / "cache")
    assert third.get("a", tmp_path / "a", refuse) == third.get("b", tmp_path / "b", refuse)
    assert os.listdir(tmp_path / "cache") == [third.path.name]


def test_damaged_cache_is_measured_again(tmp_path: Path, make_audio: MakeAudio) -> None:
    make_audio(tmp_path / "audio/a.wav")
    corpus = FolderCorpus(tmp_path / "audio", sample_rate=16_000, cache=tmp_path / "cache")
    before = corpus.utterances()
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    again = FolderCorpus(tmp_path / "audio", sample_rate=16_000, cache=tmp_path / "cache")
    assert again.utterances() == before


def test_unusable_cache_folder(tmp_path: Path, make_audio: MakeAudio) -> None:
    make_audio(tmp_path / "audio/a.wav")
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"cache of audio hashes cannot be used.*'cache'"):
        FolderCorpus(tmp_path / "audio", sample_rate=16_000, cache=tmp_path / "cache").utterances()


def test_second_corpus_reads_no_audio(
    tmp_path: Path, make_audio: MakeAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_audio(tmp_path / "audio/a.wav")
    rows = FolderCorpus(tmp_path / "audio", sample_rate=16_000).utterances()
    assert list((tmp_path / "xdg/resynth").iterdir())
    monkeypatch.setattr(FolderCorpus, "_measure", lambda self, source: refuse())
    assert FolderCorpus(tmp_path / "audio", sample_rate=16_000).utterances() == rows
