"""Artefacts of the voice's pitch, by TD-PSOLA (see `methods.artefacts.psola`).

Where the pitch moves and the formants stay, the utterance's power is restored.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import resample

from methods.artefacts.base import Floats, Speech, as_strong
from methods.artefacts.pitch import hop_of, pitch_marks, track
from methods.artefacts.psola import psola
from methods.params import MethodError


def monotone(speech: Speech, share: float) -> Floats:
    """Take `share` of the pitch's excursion, in log Hz around its mean, away; formants stay."""
    found = _voiced(speech)
    middle = np.nanmean(np.log(found))
    return _repitched(speech, found, np.exp(share * (middle - np.log(found))))


def pitch_shift(speech: Speech, semitones: float) -> Floats:
    """Raise the pitch, or lower it by negative semitones; formants stay."""
    found = _voiced(speech)
    return _repitched(speech, found, np.full_like(found, 2 ** (semitones / 12)))


def voice_shift(speech: Speech, semitones: float) -> Floats:
    """Raise pitch and formants together, as a smaller speaker's are; negative lowers both.

    The utterance is played faster (or slower), then stretched back to its length.
    """
    count = len(speech.samples)
    faster: Floats = resample(speech.samples, round(count * 2 ** (-semitones / 12)))
    return stretched(faster, speech.rate, count)


def stretched(samples: Floats, rate: int, length: int) -> Floats:
    """Return (T,) as `length` samples at the same pitch."""
    marks = pitch_marks(samples, rate, track(samples, rate))
    return psola(samples, marks, np.ones(len(marks)), length)


def _voiced(speech: Speech) -> Floats:
    found = track(speech.samples, speech.rate)
    if np.isnan(found).all():
        raise MethodError("no voiced speech was found, so its pitch cannot be changed")
    return found


def _repitched(speech: Speech, found: Floats, factors: Floats) -> Floats:
    """Multiply the pitch by the factor (frames,) of each voiced frame."""
    marks = pitch_marks(speech.samples, speech.rate, found)
    frames = np.minimum(marks // hop_of(speech.rate), len(found) - 1)
    own = np.where(np.isnan(found[frames]), 1.0, factors[frames])
    made = psola(speech.samples, marks, own, len(speech.samples))
    return as_strong(made, speech.samples)
