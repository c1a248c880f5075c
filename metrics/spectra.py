"""Short-time spectra and mel filters, in NumPy alone, by librosa's conventions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.base import Samples

# Slaney's mel scale: linear up to 1 kHz, logarithmic above.
_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


def stft_magnitude(samples: Samples, window: int, hop: int) -> NDArray[np.float64]:
    """Return |STFT| of samples (T,), shape (1 + T // hop, window // 2 + 1), not normalised.

    Frames are centred on multiples of `hop`, the ends mirrored, and weighed by a periodic Hann
    window as long as the FFT. T must exceed window / 2, or there is too little to mirror.
    """
    padded = np.pad(samples.astype(np.float64), window // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.abs(np.fft.rfft(frames * hann))


def mel_filters(sample_rate: int, window: int, bands: int) -> NDArray[np.float64]:
    """Return `bands` triangles from 0 Hz to half the rate, shape (bands, window // 2 + 1).

    Slaney's Auditory Toolbox (1998): each triangle has unit area in Hz.
    """
    bins = np.linspace(0, sample_rate / 2, window // 2 + 1)
    edges = _to_hz(np.linspace(0, _to_mel(sample_rate / 2), bands + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * (2 / (high - low)))


def _to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return _BREAK_MEL + float(np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    log_part = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, log_part)
