"""Extended short-time objective intelligibility, by pystoi's parts.

Source: Jensen and Taal, "An algorithm for predicting the intelligibility of speech masked by
modulated noise maskers", IEEE/ACM TASLP 24(11), 2016.
"""

from __future__ import annotations

import numpy as np

from metrics.base import Facts
from metrics.short_time import PINS, Floats, ShortTime


class Estoi(ShortTime):
    """ESTOI, a correlation; 1 for the reference itself, near 0 for unrelated noise.

    Both signals are resampled to 10 kHz (the published definition), and frames where the reference
    lies 40 dB under its peak are dropped. pystoi adds noise of 2e-16 from NumPy's global generator
    so as not to divide by zero; here no noise is drawn, and a band that is constant through a
    segment (digital silence) correlates 0, which is the noise's expectation.
    """

    facts = Facts(
        name="estoi",
        label="ESTOI",
        kind="reference",
        unit="correlation",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"2 (pystoi {PINS['pystoi']}'s parts, extended, float64, no noise)",
        source="Jensen and Taal, IEEE/ACM TASLP 24(11), 2016",
        description="Predicted intelligibility: correlation of short-time third-octave envelopes.",
        lower_bound=-1.0,
        upper_bound=1.0,
    )

    def correlation(self, reference: Floats, estimate: Floats) -> float:
        """Return the mean over segments and frames of the spectra's correlation (section III)."""
        product = _normalized(reference) * _normalized(estimate)
        frames, _, segments = product.shape
        return float(product.sum() / (frames * segments))


def _normalized(segments: Floats) -> Floats:
    # Rows (one band over time), then columns (one frame over bands): zero mean, unit norm.
    for axis in (0, 1):
        segments = segments - segments.mean(axis=axis, keepdims=True)
        norm = np.sqrt(np.square(segments).sum(axis=axis, keepdims=True))
        segments /= np.where(norm > 0, norm, 1.0)
    return segments
