"""Word error rate of the estimate's reading against the reference's reading."""

from __future__ import annotations

from collections.abc import Hashable

from metrics.base import Facts, Metric, NotApplicable, Score, Utterance, check_pair
from metrics.cache import LRU
from metrics.recogniser import MIN_SECONDS, PINS, SAMPLE_RATE, VERSION, recogniser

_REFERENCES = 4096


class DWer(Metric):
    """dWER as a fraction; 0 when both sides read alike, whatever the recogniser got wrong.

    For audio without transcripts. The system's value is the sum of errors over the sum of words
    read in the references. English only: elsewhere the readings mean nothing.
    """

    facts = Facts(
        name="dwer",
        label="dWER",
        kind="reference",
        unit="errors per word",
        higher_is_better=False,
        sample_rate=SAMPLE_RATE,
        version=VERSION,
        source="Radford et al., Whisper, arXiv 2212.04356 (recogniser and normaliser, appendix C)",
        description=(
            "Word errors of what Whisper tiny.en reads in the estimate, against what it reads in "
            "the reference. English only; needs no transcript."
        ),
        lower_bound=0.0,
        aggregator="ratio",
    )
    packages = tuple(PINS)

    def load(self) -> None:
        """Load the recogniser; raises MetricUnavailable if something is absent."""
        self._recogniser = recogniser()
        self._references: LRU[Hashable, str] = LRU(_REFERENCES)

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; `text` is what was read in the estimate.

        Raises:
            MetricError: bad audio.
            NotApplicable: the recogniser reads no word in the reference.
        """
        check_pair(utterance, self.facts, MIN_SECONDS)
        expected = self._references.get(
            utterance.reference_key, lambda: self._recogniser.read(utterance.reference)
        )
        text = self._recogniser.read(utterance.estimate)
        errors, words = self._recogniser.compare(expected, text)
        if words == 0:
            raise NotApplicable("the recogniser reads no words in the reference")
        return Score(errors / words, errors, words, text)
