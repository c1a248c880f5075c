"""Share of the predicted codes that are the codec's own."""

from __future__ import annotations

from metrics.base import Facts, Metric, MetricError, NotApplicable, Score, Utterance


class TokenAccuracy(Metric):
    """Accuracy over the codes after x1, all predicted layers pooled; 1 for the codec's own codes.

    For methods that predict codes. Several codes may sound alike, so a wrong one is not always
    heard.
    """

    facts = Facts(
        name="token_accuracy",
        label="Token accuracy",
        kind="latent",
        unit="share of codes",
        higher_is_better=True,
        sample_rate=16_000,
        version="1 (codes after x1, predicted layers pooled)",
        source="classification accuracy, as defined here",
        description=(
            "Share of the codes after x1 that are the codec's own for the reference; for methods "
            "that predict codes."
        ),
        lower_bound=0.0,
        upper_bound=1.0,
    )

    def score(self, utterance: Utterance) -> Score:
        """Score what was measured at synthesis.

        Raises:
            NotApplicable: nothing was measured, or no codes were predicted.
            MetricError: the counts are impossible.
        """
        match = utterance.made.latent if utterance.made else None
        if match is None or match.right is None or match.codes is None:
            raise NotApplicable("no codes were predicted")
        if not 0 <= match.right <= match.codes or match.codes == 0:
            raise MetricError(f"{match.right} of {match.codes} codes are right")
        return Score(match.right / match.codes)
