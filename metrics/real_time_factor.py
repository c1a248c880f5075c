"""Seconds of synthesis per second of audio."""

from __future__ import annotations

import math

from metrics.base import Facts, Metric, MetricError, NotApplicable, Score, Utterance


class RealTimeFactor(Metric):
    """Synthesis time over the audio's duration; under 1 is faster than real time.

    A property of the machine as well as of the method: compare systems of one run.
    """

    facts = Facts(
        name="real_time_factor",
        label="Real-time factor",
        kind="cost",
        unit="s per s of audio",
        higher_is_better=False,
        sample_rate=16_000,
        version="1 (wall-clock synthesis time)",
        source="wall-clock time, as defined here",
        description=(
            "Seconds of synthesis per second of audio, on the machine that ran it: compare systems "
            "of one run only."
        ),
        lower_bound=0.0,
    )

    def score(self, utterance: Utterance) -> Score:
        """Score what was measured at synthesis.

        Raises:
            NotApplicable: nothing was measured.
            MetricError: a duration is impossible.
        """
        if utterance.made is None:
            raise NotApplicable("the synthesis was not timed")
        spent, seconds = utterance.made.synthesis_seconds, utterance.made.audio_seconds
        if not (math.isfinite(seconds) and seconds > 0):
            raise MetricError(f"the audio lasts {seconds} s")
        if not (math.isfinite(spent) and spent >= 0):
            raise MetricError(f"the synthesis took {spent} s")
        return Score(spent / seconds)
