"""Word error rate of the estimate's reading against the transcript."""

from __future__ import annotations

from metrics.base import Facts
from metrics.recogniser import SAMPLE_RATE
from metrics.recogniser.metric import SOURCE, TranscriptErrors, version_of


class Wer(TranscriptErrors):
    """WER as a fraction; above 1 when more words are inserted than there are.

    The system's value is the sum of errors over the sum of words.
    """

    facts = Facts(
        name="wer",
        label="WER",
        kind="transcript",
        unit="errors per word",
        higher_is_better=False,
        sample_rate=SAMPLE_RATE,
        version=version_of(TranscriptErrors.Params()),
        source=SOURCE,
        description=(
            "Word errors of what a recogniser reads in the estimate, against the transcript. The "
            "recogniser's own errors are in it."
        ),
        lower_bound=0.0,
        aggregator="ratio",
    )
