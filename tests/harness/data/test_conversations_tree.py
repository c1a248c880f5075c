"""Two-channel conversations: the right channel, the right samples, stable bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.data.conversations import ConversationsCorpus
from harness.data.read import read_utterance
from harness.errors import UserError

MakeAudio = Callable[..., Path]
RATE = 8000
SEGMENTS = """sw02001-A_1 sw02001-A 0.5 1.25 hello  there
sw02001-B_1 sw02001-B 1.0 2.0
"""


def stereo(seconds: float = 3.0) -> np.ndarray:
    """Noise in 16-bit steps, other on each side, (T, 2) int16."""
    generator = np.random.default_rng(0)
    return generator.integers(-9000, 9000, (round(seconds * RATE), 2), dtype=np.int16)


@pytest.fixture
def calls(tmp_path: Path, make_audio: MakeAudio) -> Path:
    make_audio(tmp_path / "audio/sw02001.wav", samples=stereo(), rate=RATE)
    (tmp_path / "segments").write_text(SEGMENTS)
    return tmp_path


def test_segments(calls: Path) -> None:
    first, second = ConversationsCorpus(calls, language="en").split("all")
    assert (first.channel, first.start, first.stop, first.seconds) == (0, 0.5, 1.25, 0.75)
    assert (first.transcript, second.transcript) == ("hello  there", None)
    assert (first.speaker, second.speaker, second.channel) == ("sw02001-A", "sw02001-B", 1)


def test_samples_are_those_of_the_side(calls: Path) -> None:
    corpus = ConversationsCorpus(calls)
    for row, (first, last) in zip(
        corpus.split("all"), [(4000, 10_000), (8000, 16_000)], strict=True
    ):
        expected = stereo()[first:last, row.channel].astype(np.float32) / 32768
        np.testing.assert_array_equal(read_utterance(corpus, row), expected)


def test_bytes_are_a_plain_wav_whatever_the_library(calls: Path) -> None:
    corpus = ConversationsCorpus(calls)
    row = corpus.split("all")[0]
    data = corpus.read_bytes(row)
    assert len(data) == 44 + 2 * 6000
    assert hashlib.sha256(data).hexdigest() == row.sha256


def test_sphere_files(tmp_path: Path, make_audio: MakeAudio) -> None:
    path = make_audio(tmp_path / "sw02001.sph", samples=stereo(), rate=RATE, subtype="ULAW")
    decoded, _ = soundfile.read(path, dtype="float32")
    (tmp_path / "segments").write_text(SEGMENTS)
    corpus = ConversationsCorpus(tmp_path)
    samples = read_utterance(corpus, corpus.split("all")[1])
    np.testing.assert_array_equal(samples, decoded[8000:16_000, 1])


def test_splits_and_speakers(calls: Path) -> None:
    (calls / "segments").unlink()
    (calls / "test").mkdir()
    (calls / "test/segments").write_text(SEGMENTS)
    (calls / "test/utt2spk").write_text("sw02001-A_1 1005\nsw02001-B_1 1006\n")
    rows = ConversationsCorpus(calls).split("test")
    assert [row.speaker for row in rows] == ["1005", "1006"]
    (calls / "test/utt2spk").write_text("sw02001-A_1 1005\n")
    with pytest.raises(UserError, match="'sw02001-B_1' has no line in utt2spk"):
        ConversationsCorpus(calls).utterances()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u sw02001-A 0.5", "line 1: needs UTTERANCE RECORDING-A START STOP"),
        ("u sw02001-A zero 1", "line 1: START and STOP must be seconds"),
        ("u sw02001-A 2 1", "times must be 0 <= START < STOP"),
        ("u sw02001-A -1 1", "times must be 0 <= START < STOP"),
        ("u sw02001-A 0 nan", "times must be 0 <= START < STOP"),
        ("u sw02001-C 0 1", "'sw02001-C' is not RECORDING-A or RECORDING-B"),
        ("u sw02009-A 0 1", "'sw02009-A' is not RECORDING-A or RECORDING-B"),
        ("u sw02001-A 2.5 3.5", "lies outside .* which lasts 3.000 s"),
    ],
)
def test_bad_segments(calls: Path, line: str, message: str) -> None:
    (calls / "segments").write_text(line)
    with pytest.raises(UserError, match=message):
        ConversationsCorpus(calls).utterances()


@pytest.mark.parametrize(
    ("samples", "subtype", "message"),
    [
        (stereo()[:, 0], None, r"channel 1 is asked for, but .* has 1 channel"),
        (stereo() / 32768, "FLOAT", "stored as FLOAT; convert it to 16-bit PCM"),
    ],
)
def test_bad_recordings(
    calls: Path, make_audio: MakeAudio, samples: np.ndarray, subtype: str | None, message: str
) -> None:
    make_audio(calls / "audio/sw02001.wav", samples=samples, rate=RATE, subtype=subtype)
    with pytest.raises(UserError, match=message):
        ConversationsCorpus(calls).utterances()


def test_wrong_rate(calls: Path) -> None:
    with pytest.raises(UserError, match=r"is at 8000 Hz.*declared at 16000 Hz"):
        ConversationsCorpus(calls, sample_rate=16_000).utterances()


def test_recording_twice(calls: Path, make_audio: MakeAudio) -> None:
    make_audio(calls / "more/sw02001.flac", samples=stereo(), rate=RATE)
    with pytest.raises(UserError, match="recording 'sw02001' is also"):
        ConversationsCorpus(calls).utterances()


def test_no_segment_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no file 'segments'"):
        ConversationsCorpus(tmp_path).utterances()
