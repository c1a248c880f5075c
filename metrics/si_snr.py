"""Scale-invariant signal-to-noise ratio.

Source: Le Roux, Wisdom, Erdogan, Hershey, "SDR - half-baked or well done?", ICASSP 2019, eq. 3-5,
with the means of both signals removed, as in Luo and Mesgarani, TasNet (2018), eq. 17-19.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from metrics.base import Facts, Metric, MetricError, Samples, Score, Utterance, check_pair


class SiSnr(Metric):
    """SI-SNR in dB; +inf for the reference itself at any gain, -inf for an orthogonal estimate."""

    facts = Facts(
        name="si_snr",
        label="SI-SNR",
        kind="reference",
        unit="dB",
        higher_is_better=True,
        sample_rate=16_000,
        version="1 (float64, means removed)",
        source="Le Roux et al., SDR - half-baked or well done?, ICASSP 2019, eq. 3-5",
        description=(
            "Energy of the estimate's part that is the reference at some gain, over the energy of "
            "the rest. Waveform match: phase errors nobody hears count in full."
        ),
    )

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,); raises MetricError on bad or constant input."""
        check_pair(utterance, self.facts)
        s = _zero_mean(utterance.reference, "reference")
        e = _zero_mean(utterance.estimate, "estimate")
        target = (e @ s) / (s @ s) * s
        noise = e - target
        return Score(_decibels(float(target @ target), float(noise @ noise)))


def _zero_mean(samples: Samples, side: str) -> NDArray[np.float64]:
    if np.ptp(samples) == 0:
        raise MetricError(f"{side} is constant: nothing is left without its mean")
    signal: NDArray[np.float64] = samples.astype(np.float64)
    signal -= signal.mean()
    return signal


def _decibels(target: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    if target == 0:
        return -math.inf
    return 10 * math.log10(target / noise)
