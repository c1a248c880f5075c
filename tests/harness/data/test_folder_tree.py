"""Plain folders, with a CSV and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data.folder import FolderCorpus
from harness.errors import UserError

MakeAudio = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, make_audio: MakeAudio) -> Path:
    for seed, name in enumerate(("a.wav", "deep/er/b.FLAC", "c.mp3", "d.ogg", "e.opus")):
        make_audio(tmp_path / "audio" / name, seed=seed)
    (tmp_path / "audio/notes.txt").write_text("no audio")
    return tmp_path / "audio"


def open_with(folder: Path, text: str) -> FolderCorpus:
    table = folder.parent / "table.csv"
    table.write_text(text, encoding="utf-8")
    return FolderCorpus(folder, sample_rate=16_000, transcripts=table)


def test_without_csv(folder: Path) -> None:
    rows = FolderCorpus(folder, sample_rate=16_000, language="de").split("all")
    assert [row.id for row in rows] == ["a", "c", "d", "deep/er/b", "e"]
    assert {(row.speaker, row.transcript, row.language) for row in rows} == {
        ("unknown", None, "de")
    }
    assert all(row.seconds == 1.0 for row in rows)


@pytest.mark.parametrize("column", ["id", "path"])
def test_with_csv(folder: Path, column: str) -> None:
    name = {"id": "deep/er/b", "path": "deep/er/b.FLAC"}[column]
    text = f'{column},transcript,speaker,language,split\n{name},"Grüße, du",anna,de,test\n'
    corpus = open_with(folder, text)
    (row,) = corpus.split("test")
    assert (row.id, row.transcript, row.speaker, row.voice) == (
        "deep/er/b",
        "Grüße, du",
        "anna",
        "anna",
    )
    assert row.language == "de"
    assert len(corpus.split("all")) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,transcipt\na,x\n", "unknown column 'transcipt'; did you mean 'transcript'"),
        ("transcript\nx\n", "exactly one of the columns 'id' and 'path'"),
        ("id,transcript\naa,x\n", "'aa' is listed, but no such audio.*did you mean 'a'"),
        ("id,transcript\na,x\na,y\n", "line 3: 'a' is listed a second time"),
        ("id,transcript\na,x,y\n", "line 2: does not have as many fields"),
        ("id,transcript\na\n", "line 2: does not have as many fields"),
        ('id,transcript\na,"x\n', "cannot be read as a UTF-8 CSV"),
    ],
)
def test_bad_csv(folder: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_with(folder, text).utterances()


def test_missing_csv(folder: Path, tmp_path: Path) -> None:
    corpus = FolderCorpus(folder, sample_rate=16_000, transcripts=tmp_path / "no.csv")
    with pytest.raises(UserError, match=r"no\.csv: cannot be read"):
        corpus.utterances()


def test_one_file_at_another_rate(folder: Path, make_audio: MakeAudio) -> None:
    make_audio(folder / "f.wav", rate=24_000)
    with pytest.raises(UserError, match=r"f\.wav: is at 24000 Hz.*declared at 16000 Hz"):
        FolderCorpus(folder, sample_rate=16_000).utterances()


def test_bad_files_are_counted(folder: Path, make_audio: MakeAudio) -> None:
    (folder / "f.wav").write_bytes(b"")
    make_audio(folder / "g.wav", samples=[[0.1, 0.1]] * 9)
    with pytest.raises(UserError, match=r"f\.wav: cannot be read.*\(1 more such files\)"):
        FolderCorpus(folder, sample_rate=16_000).utterances()


def test_same_name_twice(folder: Path, make_audio: MakeAudio) -> None:
    make_audio(folder / "a.flac", seed=7)
    with pytest.raises(UserError, match="utterance id 'a' occurs more than once"):
        FolderCorpus(folder, sample_rate=16_000).split("all")


def test_no_audio(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no audio"):
        FolderCorpus(tmp_path, sample_rate=16_000).utterances()
