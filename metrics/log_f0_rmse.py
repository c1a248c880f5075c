"""Root mean square error of log F0 over the frames where both sides are voiced.

Source: the field's toolkits (Hayashi et al., "ESPnet2-TTS", 2021, arXiv 2110.07840, log-F0 RMSE).
"""

from __future__ import annotations

import numpy as np

from metrics.base import (
    Facts,
    MetricError,
    Prepared,
    Samples,
    Score,
    Utterance,
    check_audio,
    check_pair,
)
from metrics.world import MIN_SECONDS, SAMPLE_RATE, VERSION, WorldMetric, f0_track


class LogF0Rmse(WorldMetric):
    """log-F0 RMSE in natural logarithms of Hz (0.01 is 17.3 cents); 0 for the reference itself.

    The audio is aligned already, so frames are compared as they stand, without time warping. Only
    frames voiced on both sides count: an estimate that loses voicing is judged on what is left of
    it, so read it beside the voicing error. An octave error in one frame in a hundred alone is
    0.07.
    """

    facts = Facts(
        name="log_f0_rmse",
        label="log-F0 RMSE",
        kind="reference",
        unit="ln Hz",
        higher_is_better=False,
        sample_rate=SAMPLE_RATE,
        version=f"1 ({VERSION}, natural log, frames voiced on both sides, no warping)",
        source="Hayashi et al., ESPnet2-TTS, 2021, arXiv 2110.07840; Morise et al., WORLD, 2016",
        description=(
            "Error of the intonation: root mean square difference of the natural logarithm of F0 "
            "where both sides are voiced. 0.01 is 17 cents."
        ),
        lower_bound=0.0,
    )

    def prepare(self, reference: Samples) -> Prepared:
        """Return the F0 of the reference (T,) at 16 kHz in Hz, shape (frames,)."""
        check_audio(reference, "reference", self.facts.sample_rate, MIN_SECONDS)
        return {"f0": f0_track(reference)}

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz.

        Raises:
            MetricError: bad or too short audio, or no frame is voiced on both sides.
        """
        check_pair(utterance, self.facts, MIN_SECONDS)
        reference, estimate = utterance.prepared["f0"], f0_track(utterance.estimate)
        voiced = (reference > 0) & (estimate > 0)
        if not voiced.any():
            raise MetricError("no frame is voiced on both sides")
        difference = np.log(reference[voiced]) - np.log(estimate[voiced])
        return Score(float(np.sqrt(np.mean(np.square(difference)))))
