"""What `resynth data info` and `verify` say, and the check against leakage."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.commands import info, verify
from harness.data.corpus import Utterance
from harness.data.embedded import EmbeddedCorpus
from harness.data.folder import FolderCorpus
from harness.data.leakage import check_disjoint
from harness.data.librispeech import LibriSpeechCorpus
from harness.data.listed import ManifestCorpus
from harness.data.manifest import write_manifest
from harness.errors import UserError

MakeAudio = Callable[..., Path]
MakeRow = Callable[..., Utterance]


@pytest.fixture
def folder(tmp_path: Path, make_audio: MakeAudio) -> Path:
    for seed, name in enumerate("abc"):
        make_audio(tmp_path / f"audio/{name}.wav", seed=seed)
    return tmp_path / "audio"


def test_info_of_the_embedded_corpus() -> None:
    facts = info(EmbeddedCorpus())
    splits = facts["splits"]
    assert isinstance(splits, dict)
    assert sorted(splits) == ["test", "test-voices", "train", "valid"]
    assert splits["test"]["utterances"] == splits["test"]["transcripts"] == 40
    assert splits["test"]["languages"] == ["en"]
    assert splits["train"]["voices"] == 5
    assert json.loads(json.dumps(facts)) == facts


def test_info_of_one_split(librispeech: Path) -> None:
    facts = info(LibriSpeechCorpus(librispeech), ["test-clean"])
    (described,) = facts["splits"].values()  # type: ignore[attr-defined]
    assert described["utterances"] == described["transcripts"] == 4
    assert described["speakers"] == 1
    assert (facts["sample_rate"], facts["licence"]) == (16_000, "CC BY 4.0")


def test_real_audio_has_no_problems(librispeech: Path) -> None:
    assert verify(LibriSpeechCorpus(librispeech), ["test-clean", "test-other"]) == []
    assert verify(EmbeddedCorpus(), ["test", "test-voices"]) == []


def test_every_bad_file_is_reported(folder: Path, make_audio: MakeAudio) -> None:
    (folder / "b.wav").write_bytes(b"no audio")
    (folder / "cut.wav").write_bytes((folder / "a.wav").read_bytes()[:-99])
    make_audio(folder / "fast.wav", rate=24_000)
    make_audio(folder / "nan.wav", samples=np.array([np.nan, 0.1]), subtype="FLOAT")
    make_audio(folder / "none.wav", samples=np.zeros(0))
    make_audio(folder / "silent.wav", samples=np.zeros(99))
    make_audio(folder / "stereo.wav", samples=np.full((99, 2), 0.1))
    problems = verify(FolderCorpus(folder, sample_rate=16_000))
    expected = {
        "b.wav": "cannot be read as audio",
        "cut.wav": "is truncated",
        "fast.wav": "is at 24000 Hz",
        "nan.wav": "NaN",
        "none.wav": "holds no samples",
        "silent.wav": "digital silence",
        "stereo.wav": "2 channels",
    }
    assert len(problems) == len(expected)
    for name, message in expected.items():
        assert [p for p in problems if name in p and message in p], name


def test_changed_and_missing_files(folder: Path, make_audio: MakeAudio) -> None:
    corpus = FolderCorpus(folder, sample_rate=16_000)
    corpus.utterances()
    make_audio(folder / "a.wav", seconds=0.5, seed=9)
    (folder / "b.wav").unlink()
    changed, shorter, missing = verify(corpus)
    assert "a.wav changed since the manifest was made" in changed
    assert "lasts 0.500 s, but 1.000 s is stated" in shorter
    assert "b.wav: No such file" in missing


def test_duplicate_ids_are_reported(folder: Path, make_audio: MakeAudio) -> None:
    make_audio(folder / "a.flac", seed=7)
    (problem,) = verify(FolderCorpus(folder, sample_rate=16_000))
    assert problem == "utterance id 'a' occurs 2 times; make the ids unique"


def test_duplicate_ids_of_a_manifest_are_reported(folder: Path) -> None:
    rows = FolderCorpus(folder, sample_rate=16_000).utterances()
    write_manifest([rows[0], rows[0]], folder / "m.jsonl")
    assert (
        "'a' occurs 2 times"
        in verify(ManifestCorpus(folder / "m.jsonl", sample_rate=16_000), ["all"])[0]
    )


def test_wrong_duration_is_reported(folder: Path) -> None:
    rows = FolderCorpus(folder, sample_rate=16_000).utterances()
    write_manifest([replace(rows[0], seconds=2.0)], folder / "m.jsonl")
    (problem,) = verify(ManifestCorpus(folder / "m.jsonl", sample_rate=16_000))
    assert "lasts 1.000 s, but 2.000 s is stated" in problem


def test_same_audio_in_two_splits_is_reported(folder: Path) -> None:
    (folder / "again.wav").write_bytes((folder / "a.wav").read_bytes())
    table = folder.parent / "t.csv"
    table.write_text("id,split\na,train\nagain,test\n")
    (problem,) = verify(FolderCorpus(folder, sample_rate=16_000, transcripts=table))
    assert problem == "'again' (split test) and 'a' (split train) are the same audio; keep one"


@pytest.mark.parametrize("command", [info, verify])
def test_unknown_split(command: Callable[..., object], folder: Path) -> None:
    for corpus in (FolderCorpus(folder, sample_rate=16_000), EmbeddedCorpus()):
        with pytest.raises(UserError, match="no split 'al'"):
            command(corpus, ["al"])


def test_disjoint_splits_pass() -> None:
    corpus = EmbeddedCorpus()
    check_disjoint(corpus.split("train", "valid"), corpus.split("test", "test-voices"))


def test_leakage_by_id_and_by_audio(make_row: MakeRow) -> None:
    train = [make_row("a"), make_row("b")]
    with pytest.raises(UserError, match=r"'b' is in both \(1 such"):
        check_disjoint(train, [make_row("b", sha256="1"), make_row("c")])
    with pytest.raises(UserError, match="'c' is the same audio as training utterance 'a'"):
        check_disjoint(train, [make_row("c", sha256=train[0].sha256)])
