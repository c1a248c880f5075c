"""Word error rate of the estimate's reading against the transcript."""

from __future__ import annotations

from metrics.base import Facts, Metric, NotApplicable, Score, Utterance, check_audio
from metrics.recogniser import MIN_SECONDS, PINS, SAMPLE_RATE, VERSION, recogniser


class Wer(Metric):
    """WER as a fraction; above 1 when more words are inserted than there are.

    The system's value is the sum of errors over the sum of words. English only.
    """

    facts = Facts(
        name="wer",
        label="WER",
        kind="transcript",
        unit="errors per word",
        higher_is_better=False,
        sample_rate=SAMPLE_RATE,
        version=VERSION,
        source="Radford et al., Whisper, arXiv 2212.04356 (recogniser and normaliser, appendix C)",
        description=(
            "Word errors of what Whisper tiny.en reads in the estimate, against the transcript. "
            "English only; the recogniser's own errors are in it."
        ),
        lower_bound=0.0,
        aggregator="ratio",
    )
    packages = tuple(PINS)

    def load(self) -> None:
        """Load the recogniser; raises MetricUnavailable if something is absent."""
        self._recogniser = recogniser()

    def score(self, utterance: Utterance) -> Score:
        """Score the estimate (T,) at 16 kHz; `text` is what was read, before normalising.

        Raises:
            MetricError: bad audio.
            NotApplicable: there is no transcript, or no word in it.
        """
        if utterance.transcript is None:
            raise NotApplicable("no transcript")
        check_audio(utterance.estimate, "estimate", SAMPLE_RATE, MIN_SECONDS)
        text = self._recogniser.read(utterance.estimate)
        errors, words = self._recogniser.compare(utterance.transcript, text)
        if words == 0:
            raise NotApplicable("the transcript has no words")
        return Score(errors / words, errors, words, text)
