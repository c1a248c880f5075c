"""Log-spectral distance, as in the speech super-resolution papers.

Source: Kuleshov, Enam, Ermon, "Audio super resolution using neural networks", 2017, arXiv
1708.00853, section 4; hop and floor as in Lee and Han, NU-Wave, Interspeech 2021 (and its public
evaluation). Those state it in log10 of power: a tenth of the dB here.
"""

from __future__ import annotations

import numpy as np

from metrics.base import (
    Facts,
    Metric,
    Prepared,
    Samples,
    Score,
    Utterance,
    check_audio,
    check_pair,
)
from metrics.spectra import stft_magnitude

_WINDOW = 2048
_HOP = 512
_FLOOR = 1e-8
# One window.
_MIN_SECONDS = 0.128


class LogSpectralDistance(Metric):
    """LSD in dB: root mean square over frequency, mean over frames; 0 for the reference itself.

    Power is that of an unnormalised spectrum of samples in [-1, 1], floored at 1e-8: under the
    rounding noise of 16-bit audio. Where the reference is digital silence, the distance is that of
    the estimate from the floor, tens of dB for noise nobody hears.
    """

    facts = Facts(
        name="log_spectral_distance",
        label="Log-spectral distance",
        kind="reference",
        unit="dB",
        higher_is_better=False,
        sample_rate=16_000,
        version="1 (Hann window 2048, hop 512, power floored at 1e-8, RMS over bins, mean frames)",
        source="Kuleshov et al., Audio super resolution, 2017, arXiv 1708.00853, section 4",
        description=(
            "Difference of log power spectra, root mean square over frequency, averaged over "
            "frames; every band and every silence counts alike. Super-resolution papers state it "
            "in log10 units, a tenth of this."
        ),
        lower_bound=0.0,
    )

    def prepare(self, reference: Samples) -> Prepared:
        """Return the power of the reference (T,) in dB, shape (frames, 1025)."""
        check_audio(reference, "reference", self.facts.sample_rate, _MIN_SECONDS)
        return {"decibels": _decibels(reference)}

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError on bad or too short input."""
        check_pair(utterance, self.facts, _MIN_SECONDS)
        difference = utterance.prepared["decibels"] - _decibels(utterance.estimate)
        squares = np.square(difference, dtype=np.float64)
        return Score(float(np.sqrt(squares.mean(axis=1)).mean()))


def _decibels(samples: Samples) -> Samples:
    power = np.square(stft_magnitude(samples, _WINDOW, _HOP))
    # Both sides are rounded alike, so the reference itself is at 0 exactly.
    return (10 * np.log10(np.maximum(power, _FLOOR))).astype(np.float32)
