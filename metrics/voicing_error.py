"""Voicing decision error: the share of frames that only one side voices.

Source: Nakatani, Amano, Irino, Ishizuka, Kondo, "A method for fundamental frequency estimation and
voicing decision", Speech Communication 50(3), 2008 (VDE).
"""

from __future__ import annotations

import numpy as np

from metrics.base import (
    Facts,
    Prepared,
    Samples,
    Score,
    Utterance,
    check_audio,
    check_pair,
)
from metrics.world import MIN_SECONDS, SAMPLE_RATE, VERSION, WorldMetric, f0_track


class VoicingError(WorldMetric):
    """Voicing decision error, a share of all frames, silent ones included; 0 for the reference."""

    facts = Facts(
        name="voicing_error",
        label="Voicing error",
        kind="reference",
        unit="share of frames",
        higher_is_better=False,
        sample_rate=SAMPLE_RATE,
        version=f"1 ({VERSION}, all frames, no warping)",
        source="Nakatani et al., Speech Communication 50(3), 2008; Morise et al., WORLD, 2016",
        description=(
            "Share of the 5 ms frames that are voiced in one of estimate and reference and not in "
            "the other."
        ),
        lower_bound=0.0,
        upper_bound=1.0,
    )

    def prepare(self, reference: Samples) -> Prepared:
        """Return which 5 ms frames of the reference (T,) at 16 kHz are voiced, shape (frames,)."""
        check_audio(reference, "reference", self.facts.sample_rate, MIN_SECONDS)
        return {"voiced": f0_track(reference) > 0}

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError on bad or too short input."""
        check_pair(utterance, self.facts, MIN_SECONDS)
        voiced = f0_track(utterance.estimate) > 0
        return Score(float(np.mean(utterance.prepared["voiced"] != voiced)))
