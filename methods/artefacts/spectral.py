"""Artefacts of the short-time spectrum: its phases, and its magnitudes over time."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from methods.artefacts.base import Floats, Speech, as_strong

ROBOT_FRAME, ROBOT_HOP = 0.040, 0.010  # seconds; a voice without phase hums at 1 / hop = 100 Hz
SMEAR_FRAME, SMEAR_HOP = 0.032, 0.008


def robotic_phase(speech: Speech, share: float) -> Floats:
    """Turn every phase towards zero at its frame's centre; magnitudes stay.

    The new phase is that of (1 - share) exp(i phase) + share: at 1 all phases are zero, and the
    voice is a monotone hum of 100 Hz (robotization: Zoelzer, DAFX, section 7.4.1). The power is
    restored.
    """
    spectra, frame, hop = _analyse(speech, ROBOT_FRAME, ROBOT_HOP)
    turned = (1 - share) * np.exp(1j * np.angle(spectra)) + share
    made = np.abs(spectra) * np.exp(1j * np.angle(turned))
    return _synthesise(made, frame, hop, speech)


def time_smear(speech: Speech, frames: float) -> Floats:
    """Average every magnitude over so many frames of 8 ms; phases stay, the power is restored."""
    spectra, frame, hop = _analyse(speech, SMEAR_FRAME, SMEAR_HOP)
    smeared = uniform_filter1d(np.abs(spectra), int(frames), axis=0, mode="nearest")
    return _synthesise(smeared * np.exp(1j * np.angle(spectra)), frame, hop, speech)


def _window(frame: int) -> Floats:
    """Return a periodic Hann window (frame,)."""
    shape: Floats = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    return shape


def _analyse(
    speech: Speech, seconds: float, step: float
) -> tuple[np.typing.NDArray[np.complex128], int, int]:
    """Return spectra (frames, bins) with phases at the frames' centres, frame and hop sizes."""
    frame, hop = 2 * max(2, round(seconds * speech.rate / 2)), max(1, round(step * speech.rate))
    padded = np.pad(speech.samples, (frame, frame + hop))
    cut = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop] * _window(frame)
    return np.fft.rfft(np.fft.ifftshift(cut, axes=1), axis=1), frame, hop


def _synthesise(
    spectra: np.typing.NDArray[np.complex128], frame: int, hop: int, speech: Speech
) -> Floats:
    """Overlap and add: the least-squares inverse (Griffin and Lim, 1984, equation 6)."""
    window = _window(frame)
    cut = np.fft.fftshift(np.fft.irfft(spectra, frame, axis=1), axes=1) * window
    total = np.zeros((len(cut) - 1) * hop + frame)
    weight = np.zeros_like(total)
    for index, part in enumerate(cut):
        total[index * hop : index * hop + frame] += part
        weight[index * hop : index * hop + frame] += window**2
    inside = slice(frame, frame + len(speech.samples))
    return as_strong(total[inside] / weight[inside], speech.samples)
