"""What STOI and ESTOI share, from pystoi's own parts, the reference's side apart: not a metric.

Both compare third-octave envelopes over segments of 30 frames (384 ms at 10 kHz), after the frames
where the reference lies 40 dB under its loudest are left out of both signals.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from metrics.base import (
    Metric,
    MetricError,
    Prepared,
    Samples,
    Score,
    Utterance,
    check_audio,
    check_pair,
)
from metrics.packages import import_pinned

Floats: TypeAlias = NDArray[np.float64]
PINS = {"pystoi": "0.4.1"}
# 31 frames of 256 samples every 128 at pystoi's 10 kHz: what one 30-frame segment takes.
_MIN_SECONDS = 0.41


class ShortTime(Metric):
    """An intelligibility measure of short-time envelopes; a subclass correlates the segments."""

    packages = ("pystoi", "scipy")

    @abstractmethod
    def correlation(self, reference: Floats, estimate: Floats) -> float:
        """Return the mean correlation of envelopes in segments, (30 frames, bands, segments)."""

    def load(self) -> None:
        """Import pystoi; raises MetricUnavailable if it is absent or at another version."""
        self._pystoi: Any = import_pinned("pystoi.stoi", PINS)
        self._fft: Any = import_pinned("scipy.fft", {})
        self._hop: int = self._pystoi.N_FRAME // 2
        self._window = np.hanning(self._pystoi.N_FRAME + 2)[1:-1]

    def prepare(self, reference: Samples) -> Prepared:
        """Return which frames of the reference (T,) are audible, and its envelopes (15, frames).

        Raises:
            MetricError: bad input, or fewer than 30 frames are audible.
        """
        check_audio(reference, "reference", self.facts.sample_rate, _MIN_SECONDS)
        frames = self._frames(self._resampled(reference))
        levels = 20 * np.log10(np.linalg.norm(frames, axis=1) + self._pystoi.utils.EPS)
        audible = levels.max() - self._pystoi.DYN_RANGE - levels < 0
        # Joined again, the audible stretch holds one frame less.
        if np.count_nonzero(audible) <= self._pystoi.N:
            raise MetricError("too short: under 30 frames (0.4 s) of the reference are not silent")
        return {"audible": audible, "envelopes": self._envelopes(frames[audible])}

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError on bad or too short input."""
        check_pair(utterance, self.facts, _MIN_SECONDS)
        frames = self._frames(self._resampled(utterance.estimate))
        envelopes = self._envelopes(frames[utterance.prepared["audible"]])
        value = self.correlation(
            self._segments(utterance.prepared["envelopes"]), self._segments(envelopes)
        )
        if not math.isfinite(value):
            raise MetricError(f"{self.facts.label} is {value}")
        return Score(value)

    def _resampled(self, samples: Samples) -> Floats:
        signal: Floats = self._pystoi.utils.resample_oct(
            samples.astype(np.float64), self._pystoi.FS, self.facts.sample_rate
        )
        return signal

    def _frames(self, signal: Floats) -> Floats:
        # A frame that ends with the signal is left out, as by pystoi (and MATLAB's original).
        windows = sliding_window_view(signal, self._pystoi.N_FRAME)[: -1 : self._hop]
        return np.asarray(windows * self._window)

    def _envelopes(self, frames: Floats) -> Floats:
        """Return the third-octave envelopes (bands, frames - 1) of the frames joined again."""
        joined = np.zeros((len(frames) + 1, self._hop))
        joined[:-1] += frames[:, : self._hop]
        joined[1:] += frames[:, self._hop :]
        spectra = self._fft.rfft(self._frames(joined.ravel()), self._pystoi.NFFT)
        power = spectra.real**2 + spectra.imag**2
        return np.asarray(np.sqrt(np.matmul(self._pystoi.OBM, power.T)))

    def _segments(self, envelopes: Floats) -> Floats:
        windows = sliding_window_view(envelopes, self._pystoi.N, axis=1)
        return windows.transpose(2, 0, 1)
