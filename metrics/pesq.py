"""Perceptual evaluation of speech quality, wideband, through the pesq package.

Source: ITU-T P.862.2 (2007); the package compiles ITU's reference C code.
"""

from __future__ import annotations

import math
from typing import Any

from metrics.base import Facts, Metric, MetricError, Score, Utterance, check_pair
from metrics.packages import import_pinned

_PINS = {"pesq": "0.0.4"}
_MIN_SECONDS = 0.25
# The C code writes past its arrays at the 51st utterance (speech between pauses over 0.2 s) and
# crashes. Speech does not pause every 0.7 s throughout, so 36 s keeps clear of it.
_MAX_SECONDS = 36.0


class Pesq(Metric):
    """PESQ wideband, MOS-LQO; 4.644 for the reference itself."""

    facts = Facts(
        name="pesq",
        label="PESQ (wb)",
        kind="reference",
        unit="MOS-LQO",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"1 (pesq {_PINS['pesq']}, wideband)",
        source="ITU-T P.862.2 (2007)",
        description=(
            "Perceived quality against the reference, made for telephone networks; both signals "
            "are aligned and levelled by the standard itself. Up to 36 s."
        ),
        lower_bound=0.999,
        upper_bound=4.644,
    )
    packages = ("pesq",)

    def load(self) -> None:
        """Import pesq; raises MetricUnavailable if it is absent or at another version."""
        self._pesq: Any = import_pinned("pesq", _PINS, "It builds from source: it needs gcc.")

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz, 0.25 to 36 s.

        Raises:
            MetricError: bad input, or no speech that PESQ can find.
        """
        check_pair(utterance, self.facts, _MIN_SECONDS)
        rate = self.facts.sample_rate
        seconds = utterance.reference.size / rate
        if seconds > _MAX_SECONDS:
            raise MetricError(f"{seconds:.1f} s is too long for PESQ (> {_MAX_SECONDS:.0f} s)")
        try:
            value = float(self._pesq.pesq(rate, utterance.reference, utterance.estimate, "wb"))
        except self._pesq.PesqError as error:
            reason = error.args[0]
            text = reason.decode() if isinstance(reason, bytes) else str(reason)
            raise MetricError(f"PESQ: {text}") from error
        if not math.isfinite(value):
            raise MetricError(f"PESQ returned {value}")
        return Score(value)
