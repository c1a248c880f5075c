"""DNSMOS P.835 quality of the speech signal, a model's guess of a MOS, through speechmos.

Source: Reddy, Gopal, Cutler, "DNSMOS P.835: a non-intrusive perceptual objective speech quality
metric to evaluate noise suppressors", ICASSP 2022.
"""

from __future__ import annotations

from metrics.base import Facts, Samples
from metrics.dnsmos_model import PINS, DnsmosMetric


class DnsmosSignal(DnsmosMetric):
    """DNSMOS SIG: the speech alone, whatever lies behind it; predicted, never human."""

    facts = Facts(
        name="dnsmos_sig",
        label="DNSMOS SIG (predicted MOS)",
        kind="no reference",
        unit="predicted MOS",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"1 (speechmos {PINS['speechmos']}, SIG, clips looped to one window)",
        source="Reddy et al., DNSMOS P.835, ICASSP 2022",
        description=(
            "A network's guess of listeners' rating of the speech itself, trained on denoised "
            "speech. Not a human rating."
        ),
        upper_bound=5.0,
        predicted=True,
    )

    def _rating(self, samples: Samples) -> float:
        return self._networks.p835(samples).signal
