"""Perceptual evaluation of speech quality, wideband, through the pesq package.

Source: ITU-T P.862.2 (2007).
"""

from __future__ import annotations

from metrics.base import Facts
from metrics.pesq_core import PINS, PackagedPesq


class Pesq(PackagedPesq):
    """PESQ wideband, MOS-LQO; 4.644 for the reference itself."""

    mode = "wb"
    facts = Facts(
        name="pesq",
        label="PESQ (wb)",
        kind="reference",
        unit="MOS-LQO",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"1 (pesq {PINS['pesq']}, wideband)",
        source="ITU-T P.862.2 (2007)",
        description=(
            "Perceived quality against the reference, made for telephone networks; both signals "
            "are aligned and levelled by the standard itself. Up to 36 s."
        ),
        lower_bound=0.999,
        upper_bound=4.644,
    )
