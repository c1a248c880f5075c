"""Short-time objective intelligibility, by pystoi's parts.

Source: Taal, Hendriks, Heusdens, Jensen, "An algorithm for intelligibility prediction of
time-frequency weighted noisy speech", IEEE TASLP 19(7), 2011.
"""

from __future__ import annotations

import numpy as np

from metrics.base import Facts
from metrics.short_time import PINS, Floats, ShortTime

_EPS = np.finfo(np.float64).eps
# 1 + 10^(-beta/20), beta = -15 dB the lower bound of the signal-to-distortion ratio.
_CLIP = 1 + 10 ** (15 / 20)


class Stoi(ShortTime):
    """STOI, a correlation; 1 for the reference itself, near 0 for unrelated noise.

    Both signals are resampled to 10 kHz (the published definition), and frames where the reference
    lies 40 dB under its peak are dropped.
    """

    facts = Facts(
        name="stoi",
        label="STOI",
        kind="reference",
        unit="correlation",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"1 (pystoi {PINS['pystoi']}'s parts, float64)",
        source="Taal et al., IEEE TASLP 19(7), 2011",
        description="Predicted intelligibility: correlation of each band's short-time envelope.",
        lower_bound=-1.0,
        upper_bound=1.0,
    )

    def correlation(self, reference: Floats, estimate: Floats) -> float:
        """Return the mean over bands and segments of the envelopes' correlation (equation 5)."""
        scale = _norm(reference) / (_norm(estimate) + _EPS)
        clipped = np.minimum(estimate * scale, reference * _CLIP)  # equation 3
        product = _normalized(clipped) * _normalized(reference)
        _, bands, segments = product.shape
        return float(product.sum() / (bands * segments))


def _normalized(segments: Floats) -> Floats:
    centred = segments - segments.mean(axis=0)
    return np.asarray(centred / (_norm(centred) + _EPS))


def _norm(segments: Floats) -> Floats:
    return np.asarray(np.sqrt(np.square(segments).sum(axis=0)))
