"""Artefacts of recording and transmission, on the waveform."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfiltfilt

from methods.artefacts.base import Floats, Speech, as_strong
from methods.params import MethodError

PACKET = 0.020  # seconds
ORDER = 8


def clipping(speech: Speech, share: float) -> Floats:
    """Clip the loudest `share` of all samples; the utterance's power is then restored."""
    limit = float(np.quantile(np.abs(speech.samples), 1 - share))
    return as_strong(np.clip(speech.samples, -limit, limit), speech.samples)


def band_limit(speech: Speech, cutoff: float) -> Floats:
    """Low-pass at `cutoff` Hz, where 6 dB are lost.

    A Butterworth filter of order 8 runs forwards and backwards, so nothing is delayed. Raises
    MethodError for a cut-off that is not below half the rate.
    """
    if cutoff >= speech.rate / 2:
        raise MethodError(
            f"artefact 'band_limit': {cutoff:g} Hz is not below half the rate of {speech.rate} Hz"
        )
    sections = butter(ORDER, cutoff, fs=speech.rate, output="sos")
    limited: Floats = sosfiltfilt(sections, speech.samples)
    return limited


def packet_loss(speech: Speech, share: float) -> Floats:
    """Silence `share` of the packets of 20 ms, at least one, with no concealment.

    Packets lost at a low share are lost at a higher one too.
    """
    size = max(1, round(PACKET * speech.rate))
    packets = -(-len(speech.samples) // size)
    lost = speech.random.permutation(packets)[: max(1, round(share * packets))]
    kept = np.ones(packets)
    kept[lost] = 0.0
    heard: Floats = speech.samples * np.repeat(kept, size)[: len(speech.samples)]
    return heard
