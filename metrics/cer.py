"""Character error rate of the estimate's reading against the transcript."""

from __future__ import annotations

from metrics.base import Facts
from metrics.recogniser import SAMPLE_RATE
from metrics.recogniser.metric import SOURCE, TranscriptErrors, version_of


class Cer(TranscriptErrors):
    """CER as a fraction; above 1 when more characters are inserted than there are.

    Characters are those of the normalised texts, the spaces between words among them. The system's
    value is the sum of errors over the sum of characters; a score's `words` are characters here.
    """

    facts = Facts(
        name="cer",
        label="CER",
        kind="transcript",
        unit="errors per character",
        higher_is_better=False,
        sample_rate=SAMPLE_RATE,
        version=version_of(TranscriptErrors.Params()),
        source=SOURCE,
        description=(
            "Character errors of what a recogniser reads in the estimate, against the transcript. "
            "The recogniser's own errors are in it."
        ),
        lower_bound=0.0,
        aggregator="ratio",
    )
    unit = "characters"
