"""What PESQ's two bands share, through the pesq package: not a metric.

The package compiles ITU's reference C code, which takes both signals at once: it keeps nothing of
the reference between calls, and its own FFT takes about two thirds of its time.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

from metrics.base import Metric, MetricError, Score, Utterance, check_pair
from metrics.packages import import_pinned

PINS = {"pesq": "0.0.4"}
_MIN_SECONDS = 0.25
# The C code writes past its arrays at the 51st utterance (speech between pauses over 0.2 s) and
# crashes. Speech does not pause every 0.7 s throughout, so 36 s keeps clear of it.
_MAX_SECONDS = 36.0


class PackagedPesq(Metric):
    """PESQ, MOS-LQO; a subclass says which band."""

    packages = ("pesq",)

    @property
    @abstractmethod
    def mode(self) -> str:
        """Return the package's name of the band: wb or nb."""

    def load(self) -> None:
        """Import pesq; raises MetricUnavailable if it is absent or at another version."""
        self._pesq: Any = import_pinned("pesq", PINS, "It builds from source: it needs gcc.")

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at the facts' rate, 0.25 to 36 s.

        Raises:
            MetricError: bad input, or no speech that PESQ can find.
        """
        check_pair(utterance, self.facts, _MIN_SECONDS)
        rate = self.facts.sample_rate
        seconds = utterance.reference.size / rate
        if seconds > _MAX_SECONDS:
            raise MetricError(f"{seconds:.1f} s is too long for PESQ (> {_MAX_SECONDS:.0f} s)")
        try:
            value = float(self._pesq.pesq(rate, utterance.reference, utterance.estimate, self.mode))
        except self._pesq.PesqError as error:
            reason = error.args[0]
            text = reason.decode() if isinstance(reason, bytes) else str(reason)
            raise MetricError(f"PESQ: {text}") from error
        if not math.isfinite(value):
            raise MetricError(f"PESQ returned {value}")
        return Score(value)
