"""Error of the synthesised latents against the codec's own, relative to their energy."""

from __future__ import annotations

import math

from metrics.base import Facts, Metric, MetricError, NotApplicable, Score, Utterance


class LatentError(Metric):
    """||latent - z||^2 over ||z - mean of z||^2: 0 for z itself, 1 for z's mean over time.

    The fraction of variance unexplained (1 - R^2) per utterance, all dimensions pooled. A draw from
    p(z | x1) errs twice as much as its mean does: low error is not good sound.
    """

    facts = Facts(
        name="latent_error",
        label="Latent error",
        kind="latent",
        unit="share of z's energy",
        higher_is_better=False,
        sample_rate=16_000,
        version="1 (energy of z about its mean over time)",
        source="1 - R^2 (coefficient of determination), as defined here",
        description=(
            "Squared difference of the method's latents from the codec's pre-quantized z, over the "
            "energy of z about its mean. Of no use between codecs."
        ),
        lower_bound=0.0,
    )

    def score(self, utterance: Utterance) -> Score:
        """Score what was measured at synthesis.

        Raises:
            NotApplicable: nothing was measured, or no latents were made.
            MetricError: z does not vary, or a number is impossible.
        """
        if utterance.made is None or utterance.made.latent is None:
            raise NotApplicable("no latents were synthesised")
        error, energy = utterance.made.latent.error, utterance.made.latent.energy
        if not (math.isfinite(energy) and energy > 0):
            raise MetricError(f"z has an energy of {energy} about its mean")
        if not (math.isfinite(error) and error >= 0):
            raise MetricError(f"the latents' squared error is {error}")
        return Score(error / energy)
