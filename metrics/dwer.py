"""Word error rate of the estimate's reading against the reference's reading."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.base import (
    Facts,
    MetricError,
    NotApplicable,
    Prepared,
    Refusal,
    Samples,
    Utterance,
    check_audio,
    check_pair,
)
from metrics.recogniser import MIN_SECONDS, SAMPLE_RATE
from metrics.recogniser.metric import SOURCE, TextErrors, version_of


class DWer(TextErrors):
    """dWER as a fraction; 0 when both sides read alike, whatever the recogniser got wrong.

    For audio without transcripts. The system's value is the sum of errors over the sum of words
    read in the references. In another language than the recogniser's the readings mean nothing.
    """

    facts = Facts(
        name="dwer",
        label="dWER",
        kind="reference",
        unit="errors per word",
        higher_is_better=False,
        sample_rate=SAMPLE_RATE,
        version=version_of(TextErrors.Params()),
        source=SOURCE,
        description=(
            "Word errors of what a recogniser reads in the estimate, against what it reads in the "
            "reference. Needs no transcript."
        ),
        lower_bound=0.0,
        aggregator="ratio",
    )

    def prepare(self, reference: Samples) -> Prepared:
        """Read the reference (T,) at 16 kHz."""
        check_reference(reference)
        return {"text": np.array(self._recogniser.read(reference))}

    def prepare_batch(self, references: Sequence[Samples]) -> list[Prepared | Refusal]:
        """Read up to `batch_size` references together."""
        self._recogniser.read_batch([r for r in references if is_audible(r)])
        return super().prepare_batch(references)

    def _expected(self, utterance: Utterance) -> str:
        check_pair(utterance, self.facts, MIN_SECONDS)
        expected = str(utterance.prepared["text"])
        if not self._text.normal(expected):
            raise NotApplicable("the recogniser reads no words in the reference")
        return expected


def check_reference(reference: Samples) -> None:
    """Raise MetricError unless a reference can be read."""
    check_audio(reference, "reference", SAMPLE_RATE, MIN_SECONDS)


def is_audible(reference: Samples) -> bool:
    """Say whether `check_reference` passes."""
    try:
        check_reference(reference)
    except MetricError:
        return False
    return True
