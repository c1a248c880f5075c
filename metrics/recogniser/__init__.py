"""The speech recognisers that WER, CER and dWER share: not a metric.

Audio is read at 16 kHz on the CPU in float32, greedily (temperature 0, no fallback), each 30 s
window on its own. Not int8: its kernels differ between processors, and so did the words read (10,
12, 14 and 16 errors in 208 words on four of them), where float32 reads the same on all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol
from weakref import WeakValueDictionary

import numpy as np

from metrics.base import MetricUnavailable, Samples
from metrics.recogniser.ctc import Ctc
from metrics.recogniser.faster import FasterWhisper, Word
from metrics.recogniser.openai import OpenAIWhisper

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.1
_TEXTS = 4096

Kind = Literal["faster-whisper", "openai-whisper", "ctc"]


class Choice(NamedTuple):
    """Which recogniser reads: `model` by name or path ("": tiny.en), `language` in ISO 639-1."""

    kind: Kind = "faster-whisper"
    model: str = ""
    sha256: str = ""
    language: str = "en"


class Reader(Protocol):
    """A loaded recogniser: the text in each of several utterances (T,) at 16 kHz."""

    packages: tuple[str, ...]

    def __init__(self, model: str, sha256: str, language: str) -> None:
        """Load the model; raises MetricUnavailable if something is absent."""

    @staticmethod
    def identity(model: str, sha256: str) -> str:
        """Return what determines its readings, nothing loaded."""

    def read(self, batch: Sequence[Samples]) -> list[str]:
        """Return the texts, as the recogniser writes them."""


READERS: dict[Kind, type[Reader]] = {
    "faster-whisper": FasterWhisper,
    "openai-whisper": OpenAIWhisper,
    "ctc": Ctc,
}


def identity(choice: Choice) -> str:
    """Return what determines the readings of a recogniser: model, weights, packages, language."""
    named = READERS[choice.kind].identity(choice.model, choice.sha256)
    return f"{named}, language {choice.language}"


VERSION = identity(Choice())


class Recogniser:
    """Reads speech; the latest readings are kept by the samples' content."""

    def __init__(self, choice: Choice = Choice()) -> None:  # noqa: B008 - immutable
        """Load the model; raises MetricUnavailable if something is absent."""
        self._reader = READERS[choice.kind](choice.model, choice.sha256, choice.language)
        self._texts: dict[bytes, str] = {}

    def read(self, samples: Samples) -> str:
        """Return the text in `samples` (T,) at 16 kHz, as the recogniser writes it."""
        return self.read_batch([samples])[0]

    def read_batch(self, batch: Sequence[Samples]) -> list[str]:
        """Return the texts in several utterances (T,) at 16 kHz, the new ones read together."""
        contents = [np.ascontiguousarray(samples, dtype=np.float32) for samples in batch]
        keys = [hashlib.blake2b(c.tobytes(), digest_size=16).digest() for c in contents]
        new = {k: c for k, c in zip(keys, contents, strict=True) if k not in self._texts}
        known = {key: self._texts[key] for key in keys if key in self._texts}
        if new:
            known |= zip(new, self._reader.read(list(new.values())), strict=True)
        self._texts |= known
        while len(self._texts) > _TEXTS:
            del self._texts[next(iter(self._texts))]
        return [known[key] for key in keys]

    def words(self, samples: Samples) -> list[Word]:
        """Return the words in `samples` (T,) at 16 kHz with their start and end in seconds.

        Raises:
            MetricUnavailable: the recogniser tells no times.
        """
        if not isinstance(self._reader, FasterWhisper):
            raise MetricUnavailable("the times of words are faster-whisper's alone")
        return self._reader.words(np.ascontiguousarray(samples, dtype=np.float32))


_LOADED: WeakValueDictionary[Choice, Recogniser] = WeakValueDictionary()


def recogniser(choice: Choice = Choice()) -> Recogniser:  # noqa: B008 - immutable
    """Return this process's recogniser, loaded once for as long as somebody holds it.

    Raises MetricUnavailable if something is absent.
    """
    found = _LOADED.get(choice)
    if found is None:
        found = _LOADED[choice] = Recogniser(choice)
    return found
