"""Perceptual evaluation of speech quality, narrowband, through the pesq package.

Source: ITU-T P.862 (2001), mapped to MOS-LQO by ITU-T P.862.1 (2003).
"""

from __future__ import annotations

from metrics.base import Facts
from metrics.pesq_core import PINS, PackagedPesq


class PesqNarrowband(PackagedPesq):
    """PESQ narrowband, MOS-LQO; 4.549 for the reference itself."""

    mode = "nb"
    facts = Facts(
        name="pesq_nb",
        label="PESQ (nb)",
        kind="reference",
        unit="MOS-LQO",
        higher_is_better=True,
        sample_rate=8_000,
        version=f"1 (pesq {PINS['pesq']}, narrowband)",
        source="ITU-T P.862 (2001) and P.862.1 (2003)",
        description=(
            "Perceived quality of the telephone band (8 kHz) against the reference; both signals "
            "are aligned and levelled by the standard itself. Up to 36 s."
        ),
        lower_bound=0.999,
        upper_bound=4.549,
    )
