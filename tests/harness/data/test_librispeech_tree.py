"""LibriSpeech and LibriLight trees: a real excerpt, and small ones with faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data.librilight import LibriLightCorpus
from harness.data.librispeech import LibriSpeechCorpus
from harness.data.read import read_utterance
from harness.errors import UserError

MakeAudio = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path, make_audio: MakeAudio) -> Path:
    """Two splits of one chapter each, the first with transcripts."""
    root = tmp_path / "LibriSpeech"
    for seed, stem in enumerate(("1-2-0000", "1-2-0001")):
        make_audio(root / f"dev-clean/1/2/{stem}.flac", seed=seed)
    text = "1-2-0000 HELLO THERE\n1-2-0001 AND AGAIN\n1-2-0002 NOT IN THIS EXCERPT"
    (root / "dev-clean/1/2/1-2.trans.txt").write_text(text)
    make_audio(root / "train-clean-100/7/8/7-8-0000.flac", seconds=2.0, seed=9)
    return root


def test_real_excerpt(librispeech: Path) -> None:
    corpus = LibriSpeechCorpus(librispeech)
    assert corpus.splits == ["test-clean", "test-other", "train-clean-100"]
    rows = corpus.split("test-clean")
    assert [row.id for row in rows][:2] == ["1089-134686-0000", "1089-134686-0001"]
    assert rows[1].transcript == "STUFF IT INTO YOU HIS BELLY COUNSELLED HIM"
    other = corpus.split("test-other")
    assert len(other) == 50
    assert all(row.transcript is None and row.speaker == row.id.split("-")[0] for row in other)
    samples = read_utterance(corpus, rows[0])
    assert len(samples) / 16_000 == pytest.approx(rows[0].seconds)


def test_fields(tree: Path) -> None:
    first, second = LibriSpeechCorpus(tree).split("dev-clean")
    assert (first.id, first.speaker, first.voice, first.language) == ("1-2-0000", "1", "1", "en")
    assert (first.transcript, second.transcript) == ("HELLO THERE", "AND AGAIN")
    assert first.path == "dev-clean/1/2/1-2-0000.flac"
    assert first.seconds == 1.0
    (train,) = LibriSpeechCorpus(tree).split("train-clean-100")
    assert train.transcript is None


def test_only_the_splits_asked_for_are_opened(tree: Path) -> None:
    (tree / "train-clean-100/7/8/7-8-0000.flac").write_bytes(b"broken")
    corpus = LibriSpeechCorpus(tree)
    assert len(corpus.split("dev-clean")) == 2
    with pytest.raises(UserError, match=r"7-8-0000\.flac: cannot be read as audio"):
        corpus.split("train-clean-100")


def test_hidden_files_are_no_utterances(tree: Path) -> None:
    (tree / "dev-clean/1/2/._1-2-0000.flac").write_bytes(b"macOS")
    assert len(LibriSpeechCorpus(tree).split("dev-clean")) == 2


def test_wrong_rate_is_refused(tree: Path, make_audio: MakeAudio) -> None:
    make_audio(tree / "dev-clean/1/2/1-2-0001.flac", rate=8000)
    with pytest.raises(UserError, match=r"1-2-0001\.flac: is at 8000 Hz.*declared at 16000 Hz"):
        LibriSpeechCorpus(tree).split("dev-clean")


def test_transcript_missing_from_a_listing(tree: Path) -> None:
    (tree / "dev-clean/1/2/1-2.trans.txt").write_text("1-2-0000 HELLO THERE")
    with pytest.raises(UserError, match="has no line for 1-2-0001"):
        LibriSpeechCorpus(tree).split("dev-clean")


def test_line_without_a_text(tree: Path) -> None:
    (tree / "dev-clean/1/2/1-2.trans.txt").write_text("1-2-0000\n1-2-0001 X")
    with pytest.raises(UserError, match="line 1: '1-2-0000' has no text"):
        LibriSpeechCorpus(tree).split("dev-clean")


def test_root_one_level_too_high(tree: Path) -> None:
    with pytest.raises(UserError, match=r"did you mean .*LibriSpeech\?"):
        LibriSpeechCorpus(tree.parent).split("dev-clean")


def test_librilight(tmp_path: Path, make_audio: MakeAudio) -> None:
    for seed, book in enumerate(("emma", "persuasion")):
        make_audio(tmp_path / f"small/14/{book}/01_austen.flac", seed=seed)
        (tmp_path / f"small/14/{book}/01_austen.json").write_text('{"speaker": "14"}')
    make_audio(tmp_path / "medium/15/x/y.flac")
    corpus = LibriLightCorpus(tmp_path)
    assert corpus.splits == ["medium", "small"]
    rows = corpus.split("small")
    assert [row.id for row in rows] == ["small/14/emma/01_austen", "small/14/persuasion/01_austen"]
    assert {(row.speaker, row.voice, row.transcript) for row in rows} == {("14", "14", None)}


def test_librilight_empty(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no SUBSET/SPEAKER/BOOK"):
        LibriLightCorpus(tmp_path).utterances()
