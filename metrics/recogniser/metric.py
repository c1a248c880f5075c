"""What WER, CER and dWER share: parameters, one recogniser, counts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from metrics.base import (
    Facts,
    Metric,
    MetricError,
    NotApplicable,
    Result,
    Score,
    Utterance,
    check_audio,
)
from metrics.given_weights import Sha256
from metrics.recogniser import (
    MIN_SECONDS,
    READERS,
    SAMPLE_RATE,
    Choice,
    Kind,
    faster,
    identity,
    recogniser,
    text,
)
from metrics.recogniser.text import Normaliser, Text, Unit, is_latin

SOURCE = "Radford et al., Whisper, arXiv 2212.04356 (recogniser and normaliser, appendix C)"


class TextErrors(Metric):
    """Errors between a text and what a recogniser reads in the estimate."""

    class Params(Metric.Params):
        """The recogniser and the normaliser.

        `model`: a folder, checkpoint or name, as the recogniser's class says; empty: Whisper
        tiny.en. `sha256` of its files, which named sizes of Whisper have already. `language`
        (ISO 639-1) is what the recogniser reads.
        """

        recogniser: Kind = "faster-whisper"
        model: str = ""
        sha256: Sha256 | Literal[""] = ""
        language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"
        normaliser: Normaliser = "whisper-english"

        @model_validator(mode="after")
        def _is_complete(self) -> TextErrors.Params:
            if self.recogniser != "faster-whisper" and not self.model:
                raise ValueError(f"{self.recogniser} needs a model, by name or path")
            if self.normaliser == "whisper-english" and self.language != "en":
                raise ValueError("normaliser whisper-english is for English: take whisper-basic")
            return self

        @property
        def choice(self) -> Choice:
            """The recogniser alone, without the normaliser."""
            return Choice(self.recogniser, self.model, self.sha256, self.language)

    params: Params
    packages = (*READERS["faster-whisper"].packages, *text.PACKAGES)
    batch_size = faster.BATCH
    unit: Unit = "words"

    def __init__(self, params: Params | None = None, variant: str = "") -> None:
        """Take checked parameters; metrics of the same recogniser share its model."""
        super().__init__(params, variant)
        self.model = identity(self.params.choice)
        reader = READERS[self.params.recogniser]
        self.packages = (*reader.packages, *text.PACKAGES)

    def described(self) -> Facts:
        """Return the facts; the version names recogniser, weights, language and normaliser."""
        return replace(self.facts, version=version_of(self.params))

    def load(self) -> None:
        """Load recogniser and normaliser; raises MetricUnavailable if something is absent."""
        self._text = Text(self.params.normaliser)
        self._recogniser = recogniser(self.params.choice)

    def score(self, utterance: Utterance) -> Score:
        """Score the estimate (T,) at 16 kHz; `text` is what was read, before normalising.

        Raises:
            MetricError: bad audio.
            NotApplicable: there is no word to expect, or it is in another language.
        """
        expected = self._checked(utterance)
        heard = self._recogniser.read(utterance.estimate)
        errors, of = self._text.errors(expected, heard, self.unit)
        return Score(errors / of, errors, of, heard)

    def score_batch(self, utterances: Sequence[Utterance]) -> list[Result]:
        """Score up to `batch_size` utterances, whose estimates are read together."""
        sound = [utterance for utterance in utterances if self._is_sound(utterance)]
        self._recogniser.read_batch([utterance.estimate for utterance in sound])
        return super().score_batch(utterances)

    @abstractmethod
    def _expected(self, utterance: Utterance) -> str:
        """Return the text to expect, which has words; the audio is checked. Raises as `score`."""

    def _checked(self, utterance: Utterance) -> str:
        reads = self.params.language
        if utterance.language not in (None, reads):
            name = "English" if reads == "en" else repr(reads)
            raise NotApplicable(f"the utterance ({utterance.language}) is not {name}")
        return self._expected(utterance)

    def _is_sound(self, utterance: Utterance) -> bool:
        try:
            self._checked(utterance)
        except (MetricError, NotApplicable):
            return False
        return True


class TranscriptErrors(TextErrors):
    """Errors against the transcript."""

    def _expected(self, utterance: Utterance) -> str:
        transcript = utterance.transcript
        if transcript is None:
            raise NotApplicable("no transcript")
        if self.params.language == "en" and not is_latin(transcript):
            raise NotApplicable("the transcript is not English: its letters are not Latin")
        if not self._text.normal(transcript):
            raise NotApplicable("the transcript has no words")
        check_audio(utterance.estimate, "estimate", SAMPLE_RATE, MIN_SECONDS)
        return transcript


def version_of(params: TextErrors.Params) -> str:
    """Return the version of values under these parameters."""
    return f"3 ({identity(params.choice)}, {text.identity(params.normaliser)})"
