"""Artefacts of whole words; where they are is read from a file, by a hash of the samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from methods.artefacts.base import Floats, Samples, Speech, Word
from methods.artefacts.prosody import stretched
from methods.params import MethodError

FADE = 0.010  # seconds, inside a word's bounds
Words = dict[str, tuple[Word, ...]]


def word_drop(speech: Speech, share: float) -> Floats:
    """Fade `share` of the words, at least one, to silence; everything else keeps its place.

    Words dropped at a low share are dropped at a higher one too.
    """
    made = speech.samples.copy()
    for index in _chosen(speech, share):
        start, end = _span(speech, _words(speech)[index])
        made[start:end] *= 1 - _mask(end - start, speech.rate)
    return made


def word_swap(speech: Speech, share: float) -> Floats:
    """Put other words of the utterance, stretched to fit, in place of `share` of the words.

    At least one is replaced; its neighbours keep their places. Raises MethodError where all words
    are the same.
    """
    words, made = _words(speech), speech.samples.copy()
    for index in _chosen(speech, share):
        others = [word for word in words if plain(word.text) != plain(words[index].text)]
        if not others:
            raise MethodError("the utterance holds no second word to put in a word's place")
        other = others[int(speech.random.integers(len(others)))]
        start, end = _span(speech, words[index])
        source = slice(*_span(speech, other))
        sound = stretched(speech.samples[source], speech.rate, end - start)
        mask = _mask(end - start, speech.rate)
        made[start:end] = made[start:end] * (1 - mask) + sound * mask
    return made


def plain(text: str) -> str:
    """Return a word without case and punctuation."""
    return "".join(letter for letter in text.lower() if letter.isalnum())


def distinct(words: Sequence[Word]) -> int:
    """Return how many different words there are."""
    return len({plain(word.text) for word in words})


def _words(speech: Speech) -> tuple[Word, ...]:
    if not speech.words:
        raise MethodError("the artefact needs the words' times; give params.words")
    return speech.words


def _chosen(speech: Speech, share: float) -> list[int]:
    count = len(_words(speech))
    order = speech.random.permutation(count)[: max(1, round(share * count))]
    return [int(index) for index in order]


def _span(speech: Speech, word: Word) -> tuple[int, int]:
    """Return a word's samples. Raises MethodError where it is shorter than two fades."""
    start = round(word.start * speech.rate)
    end = min(round(word.end * speech.rate), len(speech.samples))
    if start < 0 or end - start < 2 * FADE * speech.rate:
        raise MethodError(f"word '{word.text}' lasts {word.start:g} to {word.end:g} s: no word")
    return start, end


def _mask(count: int, rate: int) -> Floats:
    """Return 1 (count,) with raised-cosine fades from and to 0."""
    fade, mask = round(FADE * rate), np.ones(count)
    slope = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)
    mask[:fade], mask[count - fade :] = slope, slope[::-1]
    return mask


def sample_key(samples: Samples) -> str:
    """Return the hash that a file of words knows an utterance's samples (T,) by."""
    return hashlib.sha256(np.ascontiguousarray(samples, dtype="<f4").tobytes()).hexdigest()


def write_words(words: dict[str, Sequence[Word]]) -> bytes:
    """Return a file's content: words with their times in seconds, by `sample_key`."""
    plain_rows = {key: [[w.text, w.start, w.end] for w in found] for key, found in words.items()}
    return json.dumps(plain_rows, sort_keys=True, indent=0).encode()


def read_words(path: Path, sha256: str) -> Words:
    """Read a file of words. Raises MethodError if it is absent or another one than `sha256`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MethodError(f"{path}: the words' times cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise MethodError(f"{path}: is not the file that params.words_sha256 names")
    return {
        key: tuple(Word(str(text), float(start), float(end)) for text, start, end in rows)
        for key, rows in json.loads(content).items()
    }
