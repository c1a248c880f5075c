"""Text: normalised, counted for errors, and told from another language's."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Literal, NamedTuple

from metrics.packages import import_pinned

# The normaliser is pinned below 0.1.1: later ones add rules that OpenAI's does not have.
_NORMALISER = {"whisper-normalizer": "0.1.0"}
_JIWER = {"jiwer": "4.0.0"}
PACKAGES = (*_NORMALISER, *_JIWER)
Unit = Literal["words", "characters"]
Normaliser = Literal["whisper-english", "whisper-basic", "none"]


class Errors(NamedTuple):
    """Substitutions, deletions and insertions, over the reference's words or characters."""

    errors: int
    of: int


def identity(name: Normaliser) -> str:
    """Return what determines the counts: the normaliser and the packages."""
    pins = _JIWER if name == "none" else _NORMALISER | _JIWER
    packages = ", ".join(f"{package} {pin}" for package, pin in pins.items())
    return f"normaliser {name}, {packages}"


class Text:
    """Counts errors between two texts after one of Whisper's normalisers, or none."""

    def __init__(self, name: Normaliser) -> None:
        """Import the packages; raises MetricUnavailable if one is absent."""
        self._jiwer = import_pinned("jiwer", _JIWER)
        self._normalise = _normaliser(name)

    def normal(self, text: str) -> str:
        """Return the normalised text."""
        return self._normalise(text).strip()

    def errors(self, reference: str, hypothesis: str, unit: Unit) -> Errors:
        """Count the errors between normalised texts; a space is a character."""
        count = self._jiwer.process_words if unit == "words" else self._jiwer.process_characters
        found = count(self.normal(reference), self.normal(hypothesis))
        kept = found.hits + found.substitutions + found.deletions
        return Errors(found.substitutions + found.deletions + found.insertions, kept)


def is_latin(text: str) -> bool:
    """Return whether at least half of a text's letters are of the Latin script."""
    letters = [letter for letter in text if letter.isalpha()]
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    return 2 * latin >= len(letters)


def _normaliser(name: Normaliser) -> Callable[[str], str]:
    if name == "none":
        return str
    style = name.removeprefix("whisper-")
    module = import_pinned(f"whisper_normalizer.{style}", _NORMALISER)
    normalise: Callable[[str], str] = getattr(module, f"{style.capitalize()}TextNormalizer")()
    return normalise
