"""Mel-cepstral distortion between WORLD's spectral envelopes.

Source: Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", IEEE
PACRIM 1993; mel-cepstra by the all-pass warping of Tokuda, Kobayashi, Masuko, Imai, ICSLP 1994,
with the order and warping that ESPnet uses at 16 kHz.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from metrics.base import (
    Facts,
    Prepared,
    Samples,
    Score,
    Utterance,
    check_audio,
    check_pair,
)
from metrics.world import FFT_SIZE, MIN_SECONDS, SAMPLE_RATE, VERSION, WorldMetric, envelope

_ORDER = 23
_ALPHA = 0.42
_DECIBELS = 10 / math.log(10) * math.sqrt(2)


class MelCepstralDistortion(WorldMetric):
    """MCD in dB, c1 to c23, so level does not count; 0 for the reference itself.

    Per frame 10 / ln 10 sqrt(2 sum (c - c')^2), averaged over all frames, silent ones included.
    The audio is aligned already, so frames are compared as they stand, without time warping: an
    estimate that is late pays for it. An envelope's window follows F0, so a wrong F0 counts too.
    """

    facts = Facts(
        name="mel_cepstral_distortion",
        label="Mel-cepstral distortion",
        kind="reference",
        unit="dB",
        higher_is_better=False,
        sample_rate=SAMPLE_RATE,
        version=(
            f"1 ({VERSION}, CheapTrick FFT {FFT_SIZE}, c1-c{_ORDER}, "
            f"alpha {_ALPHA}, all frames, no warping)"
        ),
        source="Kubichek, IEEE PACRIM 1993; Morise et al., WORLD, 2016",
        description=(
            "Distance of the spectral envelopes as mel-cepstra without their level, frame by frame "
            "as the audio stands (no time warping). Values under another analysis differ."
        ),
        lower_bound=0.0,
    )

    def load(self) -> None:
        """Import pyworld; raises MetricUnavailable if it is absent or at another version."""
        super().load()
        self._basis = mel_cepstral_basis()

    def prepare(self, reference: Samples) -> Prepared:
        """Return the mel-cepstra of the reference (T,) at 16 kHz, shape (frames, 23)."""
        check_audio(reference, "reference", self.facts.sample_rate, MIN_SECONDS)
        return {"cepstra": self._cepstra(reference)}

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError on bad or too short input."""
        check_pair(utterance, self.facts, MIN_SECONDS)
        difference = utterance.prepared["cepstra"] - self._cepstra(utterance.estimate)
        frames = np.sqrt(np.square(difference).sum(axis=1))
        return Score(_DECIBELS * float(frames.mean()))

    def _cepstra(self, samples: Samples) -> NDArray[np.float64]:
        return np.log(envelope(samples)) @ self._basis


def mel_cepstral_basis() -> NDArray[np.float64]:
    """Return what takes log power at the FFT's bins, (frames, 513), to c1..c23: shape (513, 23)."""
    cepstra = np.fft.irfft(np.eye(FFT_SIZE // 2 + 1))
    warping = _all_pass(cepstra.shape[1])
    return np.asarray(cepstra @ warping[1:].T)


def _all_pass(size: int) -> NDArray[np.float64]:
    """Return A of shape (order + 1, size): cepstrum c of `size` terms -> mel-cepstrum A c.

    Column n holds the first coefficients in w of ((w + alpha) / (1 + alpha w))^n, each the one
    before it times that all-pass. (That c0 enters halved matters to no row but the first.)
    """
    a = np.zeros((_ORDER + 1, size))
    a[0] = _ALPHA ** np.arange(size)
    for n in range(1, size):
        for m in range(1, _ORDER + 1):
            a[m, n] = a[m - 1, n - 1] + _ALPHA * (a[m, n - 1] - a[m - 1, n])
    return a
