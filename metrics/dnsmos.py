"""DNSMOS P.835 overall quality, a model's guess of a MOS, through speechmos.

Source: Reddy, Gopal, Cutler, "DNSMOS P.835: a non-intrusive perceptual objective speech quality
metric to evaluate noise suppressors", ICASSP 2022.
"""

from __future__ import annotations

from metrics.base import Facts, Samples
from metrics.dnsmos_model import PINS, DnsmosMetric


class Dnsmos(DnsmosMetric):
    """DNSMOS overall (OVRL), trained on ratings of denoised calls: predicted, never human."""

    facts = Facts(
        name="dnsmos",
        label="DNSMOS (predicted MOS)",
        kind="no reference",
        unit="predicted MOS",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"2 (speechmos {PINS['speechmos']}, OVRL, clips looped to one window)",
        source="Reddy et al., DNSMOS P.835, ICASSP 2022",
        description=(
            "A network's guess of listeners' overall rating, trained on denoised speech. Not a "
            "human rating."
        ),
        upper_bound=5.0,
        predicted=True,
    )

    def _rating(self, samples: Samples) -> float:
        return self._networks.p835(samples).overall
