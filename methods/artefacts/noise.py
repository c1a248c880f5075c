"""Additive noise at a signal-to-noise ratio in dB, both powers taken over the whole utterance."""

from __future__ import annotations

import numpy as np
from scipy.signal import resample

from methods.artefacts.base import Floats, Speech, as_strong

SPEEDS = (0.80, 0.88, 0.96, 1.05, 1.15, 1.25)  # so that the talkers' voices differ


def white_noise(speech: Speech, snr: float) -> Floats:
    """Add Gaussian noise, equally strong at every frequency."""
    return mixed(speech.samples, speech.random.standard_normal(len(speech.samples)), snr)


def babble(speech: Speech, snr: float) -> Floats:
    """Add six voices made of the utterance itself.

    Each is the utterance reversed in time, played at a speed of its own and turned by a random
    offset: speech-like in spectrum and rhythm, but nothing can be understood. It is no recording
    of other speakers, who cannot be had from one utterance.
    """
    return mixed(speech.samples, sum_of_talkers(speech), snr)


def sum_of_talkers(speech: Speech) -> Floats:
    """Return the babble alone (T,), every voice equally strong."""
    count, backwards = len(speech.samples), speech.samples[::-1]
    total = np.zeros(count)
    for speed in SPEEDS:
        voice = np.resize(resample(backwards, max(2, round(count / speed))), count)
        total += np.roll(as_strong(voice, speech.samples), int(speech.random.integers(count)))
    return total


def mixed(samples: Floats, noise: Floats, snr: float) -> Floats:
    """Return samples plus noise scaled to `snr` dB below them."""
    mixture: Floats = samples + as_strong(noise, samples) * 10 ** (-snr / 20)
    return mixture
