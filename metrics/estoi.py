"""Extended short-time objective intelligibility, through pystoi.

Source: Jensen and Taal, "An algorithm for predicting the intelligibility of speech masked by
modulated noise maskers", IEEE/ACM TASLP 24(11), 2016.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from metrics.base import Facts, Metric, MetricError, Score, Utterance, check_pair
from metrics.packages import import_pinned

_PINS = {"pystoi": "0.4.1"}
# 31 frames of 256 samples every 128 at pystoi's 10 kHz: what one 30-frame segment takes.
_MIN_SECONDS = 0.41
_SEED = 0


class Estoi(Metric):
    """ESTOI, a correlation; 1 for the reference itself, near 0 for unrelated noise.

    pystoi resamples both signals to 10 kHz itself (the published definition) and drops the frames
    where the reference lies 40 dB under its peak.
    """

    facts = Facts(
        name="estoi",
        label="ESTOI",
        kind="reference",
        unit="correlation",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"1 (pystoi {_PINS['pystoi']}, extended, float64, noise seed {_SEED})",
        source="Jensen and Taal, IEEE/ACM TASLP 24(11), 2016",
        description="Predicted intelligibility: correlation of short-time third-octave envelopes.",
        lower_bound=-1.0,
        upper_bound=1.0,
    )
    packages = ("pystoi", "scipy")

    def load(self) -> None:
        """Import pystoi; raises MetricUnavailable if it is absent or at another version."""
        self._pystoi: Any = import_pinned("pystoi", _PINS)

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError on bad or too short input."""
        check_pair(utterance, self.facts, _MIN_SECONDS)
        reference, estimate = (
            side.astype(np.float64) for side in (utterance.reference, utterance.estimate)
        )
        with _pinned_global_rng(), _too_short_raises():
            value = float(
                self._pystoi.stoi(reference, estimate, self.facts.sample_rate, extended=True)
            )
        if not math.isfinite(value):
            raise MetricError(f"pystoi returned {value}")
        return Score(value)


@contextmanager
def _pinned_global_rng() -> Iterator[None]:
    # pystoi adds noise of 2e-16 from NumPy's global generator, to not divide by zero.
    state = np.random.get_state()
    np.random.seed(_SEED)
    try:
        yield
    finally:
        np.random.set_state(state)


@contextmanager
def _too_short_raises() -> Iterator[None]:
    # pystoi only warns, then returns 1e-5 as if it were a score.
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            yield
        except RuntimeWarning as warning:
            raise MetricError(
                "too short: under 30 frames (0.4 s) of the reference are not silent"
            ) from warning
