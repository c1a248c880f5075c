"""Every kind of bad audio is refused with a sentence that names the utterance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.data.folder import FolderCorpus
from harness.data.read import read_utterance
from harness.errors import UserError

MakeAudio = Callable[..., Path]
RATE = 16_000


def read_replaced(root: Path, write: Callable[[Path], object], name: str = "a.wav") -> None:
    """List a good file, replace it by what `write` makes, and read it without the hash check."""
    corpus = FolderCorpus(root, sample_rate=RATE)
    (row,) = corpus.utterances()
    write(root / name)
    read_utterance(corpus, row, verify=False)


def cut(path: Path, keep: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def test_reads_what_was_written(tmp_path: Path, make_audio: MakeAudio) -> None:
    samples = np.linspace(-0.5, 0.5, 1000, dtype=np.float32)
    make_audio(tmp_path / "a.wav", samples=samples, subtype="FLOAT")
    corpus = FolderCorpus(tmp_path, sample_rate=RATE)
    read = read_utterance(corpus, corpus.utterances()[0])
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, samples)


def test_changed_since_the_manifest(tmp_path: Path, make_audio: MakeAudio) -> None:
    make_audio(tmp_path / "a.wav", seed=1)
    corpus = FolderCorpus(tmp_path, sample_rate=RATE)
    (row,) = corpus.utterances()
    make_audio(tmp_path / "a.wav", seed=2)
    with pytest.raises(UserError, match=r"utterance 'a': a\.wav changed since the manifest"):
        read_utterance(corpus, row)


def test_missing_since_the_manifest(tmp_path: Path, make_audio: MakeAudio) -> None:
    make_audio(tmp_path / "a.wav")
    with pytest.raises(UserError, match=r"a\.wav: No such file"):
        read_replaced(tmp_path, Path.unlink)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(100, np.float32), RATE, "digital silence"),
        (np.zeros(0, np.float32), RATE, "holds no samples"),
        (np.array([0.1, np.nan], np.float32), RATE, "NaN or infinite"),
        (np.array([0.1, np.inf], np.float32), RATE, "NaN or infinite"),
        (np.full((100, 2), 0.1, np.float32), RATE, "2 channels; mono is needed"),
        (np.full(100, 0.1, np.float32), 8000, "is at 8000 Hz, 16000 Hz is declared"),
    ],
)
def test_bad_samples(
    tmp_path: Path, make_audio: MakeAudio, samples: np.ndarray, rate: int, message: str
) -> None:
    make_audio(tmp_path / "a.wav")

    def write(path: Path) -> None:
        make_audio(path, samples=samples, rate=rate, subtype="FLOAT")

    with pytest.raises(UserError, match=rf"utterance 'a' \(a\.wav\).*{message}"):
        read_replaced(tmp_path, write)


def test_not_audio(tmp_path: Path, make_audio: MakeAudio) -> None:
    make_audio(tmp_path / "a.wav")
    with pytest.raises(UserError, match="cannot be read as audio"):
        read_replaced(tmp_path, lambda path: path.write_bytes(b"nothing here"))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize("keep", [0.999, 0.9, 0.5])
def test_truncated(tmp_path: Path, make_audio: MakeAudio, suffix: str, keep: float) -> None:
    make_audio(tmp_path / f"a.{suffix}", seconds=2.0)
    with pytest.raises(UserError, match=r"truncated|cannot be read as audio"):
        read_replaced(tmp_path, lambda path: cut(path, keep), f"a.{suffix}")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
def test_whole_files_pass(tmp_path: Path, make_audio: MakeAudio, suffix: str) -> None:
    make_audio(tmp_path / f"a.{suffix}", seconds=2.0)
    corpus = FolderCorpus(tmp_path, sample_rate=RATE)
    assert len(read_utterance(corpus, corpus.utterances()[0])) == 2 * RATE
