"""DNSMOS P.808, a model's guess of a MOS, through speechmos.

Source: Reddy, Gopal, Cutler, "DNSMOS: a non-intrusive perceptual objective speech quality metric to
evaluate noise suppressors", ICASSP 2021.
"""

from __future__ import annotations

from metrics.base import Facts, Samples
from metrics.dnsmos_model import PINS, DnsmosMetric


class DnsmosP808(DnsmosMetric):
    """DNSMOS P.808: one rating of the whole, from an earlier network; predicted, never human."""

    facts = Facts(
        name="dnsmos_p808",
        label="DNSMOS P.808 (predicted MOS)",
        kind="no reference",
        unit="predicted MOS",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"1 (speechmos {PINS['speechmos']}, P.808, clips looped to one window)",
        source="Reddy et al., DNSMOS, ICASSP 2021",
        description=(
            "A network's guess of listeners' rating under ITU-T P.808, trained on denoised speech. "
            "Not a human rating."
        ),
        predicted=True,
    )

    def _rating(self, samples: Samples) -> float:
        return self._networks.p808(samples)
