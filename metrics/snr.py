"""Signal-to-noise ratio, the estimate taken as it is.

Source: Quackenbush, Barnwell, Clements, "Objective measures of speech quality", Prentice Hall, 1988
(the classical SNR, over the whole utterance).
"""

from __future__ import annotations

import math

import numpy as np

from metrics.base import Facts, Metric, Score, Utterance, check_pair

# Under a tenth of a second there is a click, not an utterance.
_MIN_SECONDS = 0.1


class Snr(Metric):
    """SNR in dB; +inf for the reference itself, 0 for an estimate as far off as silence would be.

    Nothing is scaled or centred: a gain or a DC offset counts as noise, as SI-SNR's does not.
    """

    facts = Facts(
        name="snr",
        label="SNR",
        kind="reference",
        unit="dB",
        higher_is_better=True,
        sample_rate=16_000,
        version="1 (float64, nothing scaled or centred)",
        source="Quackenbush, Barnwell, Clements, Objective measures of speech quality, 1988",
        description=(
            "Energy of the reference over the energy of its difference from the estimate. Waveform "
            "match: level and phase errors count in full."
        ),
    )

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError on bad or too short input."""
        check_pair(utterance, self.facts, _MIN_SECONDS)
        s = utterance.reference.astype(np.float64)
        noise = s - utterance.estimate
        energy = float(noise @ noise)
        return Score(10 * math.log10(float(s @ s) / energy) if energy else math.inf)
