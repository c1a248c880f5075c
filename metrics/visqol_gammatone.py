"""ViSQOL's gammatone spectrograms, the filters built once: not a metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metrics.packages import import_pinned
from metrics.visqol_alignment import Piece
from metrics.visqol_kernels import Floats, compiled

PINS = {"visqol-python": "3.8.0"}


class Gammatone:
    """RMS of gammatone filters' outputs (21 bands, frames) in windows of 80 ms every 20 ms."""

    def __init__(self, sample_rate: int) -> None:
        """Build the filters for a rate in Hz; raises MetricUnavailable."""
        self._kernels = compiled()
        self._package: Any = import_pinned("visqol.gammatone", PINS)
        manager = import_pinned("visqol.visqol_manager", PINS)
        window = manager.AnalysisWindow(sample_rate, manager.OVERLAP)
        self._size: int = window.size
        self.hop: int = window.hop_size
        self._window: Floats = window.hann_window
        self._filters = self._coefficients(
            sample_rate, manager.NUM_BANDS_SPEECH, manager.MINIMUM_FREQ
        )

    def spectrogram(self, signal: Floats) -> Floats:
        """Return the spectrogram of a signal (T,) longer than a window."""
        return self._together([signal])[0]

    def of_pieces(self, pieces: Sequence[Piece], whole: Floats) -> list[Floats]:
        """Return the spectrogram of each piece of a signal, whose own is `whole`.

        Every frame starts at rest, so where a piece's frames coincide with the signal's they are
        the signal's; only a piece that starts between two frames is filtered.
        """
        within = [piece.origin is not None and piece.origin % self.hop == 0 for piece in pieces]
        filtered = iter(
            self._together(
                [p.samples for p, inside in zip(pieces, within, strict=True) if not inside]
            )
        )
        return [
            self._cut(whole, piece) if inside else next(filtered)
            for piece, inside in zip(pieces, within, strict=True)
        ]

    def comparable(self, reference: Floats, estimate: Floats) -> tuple[Floats, Floats]:
        """Return two spectrograms in dB over their common floor."""
        pair = [self._package.Spectrogram(side) for side in (reference, estimate)]
        floored: tuple[Floats, Floats] = self._package.prepare_spectrograms_for_comparison(*pair)
        return floored

    def _cut(self, whole: Floats, piece: Piece) -> Floats:
        first = (piece.origin or 0) // self.hop
        return whole[:, first : first + self._frames(piece.samples)]

    def _together(self, signals: Sequence[Floats]) -> list[Floats]:
        # One call for all: the filters take several frames side by side.
        if not signals:
            return []
        counts = [self._frames(signal) for signal in signals]
        firsts = np.cumsum([0, *(signal.size for signal in signals[:-1])])
        starts = [
            first + np.arange(count) * self.hop for first, count in zip(firsts, counts, strict=True)
        ]
        frames = self._kernels.filter_frames(
            np.concatenate(signals), np.concatenate(starts), self._window, self._filters
        )
        return np.split(frames, np.cumsum(counts)[:-1], axis=1)

    def _frames(self, samples: Floats) -> int:
        return 1 + (len(samples) - self._size) // self.hop

    def _coefficients(self, sample_rate: int, bands: int, low: float) -> Floats:
        """Return the filters' coefficients as `filter_frames` takes them, low bands first."""
        erb = self._package.make_erb_filters(
            sample_rate, bands, low, self._package.SPEECH_MODE_MAX_FREQ
        )
        a0, a11, a12, a13, a14, _, _, b1, b2, gain = erb.filter_coeffs[:, ::-1]
        return np.stack([a0 / gain, a11 / gain, a0, a12, a13, a14, b1, b2])
