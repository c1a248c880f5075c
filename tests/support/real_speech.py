"""Real speech for tests: LibriSpeech where it lies beside the repository, else the embedded corpus.

So every test runs for everybody, and on read speech of more voices where that is at hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import soundfile

from harness.audio import Samples
from harness.data.corpus import Utterance
from harness.data.embedded import EmbeddedCorpus
from harness.data.read import read_utterance

RATE = 16_000
SHARED = Path(__file__).resolve().parents[2] / "../shared"
LIBRISPEECH = SHARED / "data/LibriSpeech"


class Speech(NamedTuple):
    """One utterance: samples (T,) at 16 kHz, and its transcript."""

    samples: Samples
    transcript: str


def told_speech() -> list[Speech]:
    """Return a few English utterances of 4 s or longer with transcripts."""
    paths = sorted((LIBRISPEECH / "test-clean").rglob("*.flac"))
    if paths:
        return [Speech(read(path), transcript(path)) for path in paths]
    return [Speech(embedded(row), str(row.transcript)) for row in longest("test")[:4]]


def voices() -> list[Samples]:
    """Return utterances (T,) of several speakers, none of them heard in `told_speech`."""
    paths = sorted((LIBRISPEECH / "test-other").rglob("*.flac"))
    if paths:
        return [read(path) for path in paths]
    return [embedded(row) for row in longest("test-voices")[:40]]


def read(path: Path) -> Samples:
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    return samples


def transcript(path: Path) -> str:
    lines = next(path.parent.glob("*.trans.txt")).read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)[path.stem]


def longest(split: str) -> list[Utterance]:
    """Return a split's utterances, the longest first."""
    return sorted(EmbeddedCorpus().split(split), key=lambda row: -row.seconds)


def embedded(row: Utterance) -> Samples:
    return read_utterance(EmbeddedCorpus(), row)
