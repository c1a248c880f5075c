"""What metrics of speaker similarity by given weights share: not a metric."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from metrics.base import (
    Metric,
    MetricError,
    Prepared,
    Samples,
    Score,
    Utterance,
    check_audio,
    check_pair,
)

# Below it, a network has too few frames for its widest layer.
_MIN_SECONDS = 0.5


class EmbeddingSimilarity(Metric):
    """Cosine between the embeddings of estimate and reference, in [-1, 1].

    Utterances are not batched: these networks normalise or reflect over an utterance's length, so
    padding to the longest of a batch would change the others' values.
    """

    optional = True

    def prepare(self, reference: Samples) -> Prepared:
        """Embed the reference (T,) at the metric's rate."""
        check_audio(reference, "reference", self.facts.sample_rate, _MIN_SECONDS)
        return {"embedding": self._checked(reference, "reference")}

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at the metric's rate.

        Raises:
            MetricError: bad, unequal or too short audio, or an embedding without direction.
        """
        check_pair(utterance, self.facts, _MIN_SECONDS)
        reference = utterance.prepared["embedding"].astype(np.float64)
        estimate = self._checked(utterance.estimate, "estimate").astype(np.float64)
        norms = math.sqrt((reference @ reference) * (estimate @ estimate))
        return Score(float(reference @ estimate) / norms)

    @abstractmethod
    def _embed(self, samples: Samples) -> NDArray[np.float32]:
        """Return the embedding (D,) of one clip (T,)."""

    def _checked(self, samples: Samples, side: str) -> NDArray[np.float32]:
        embedding = self._embed(samples)
        if not np.isfinite(embedding).all() or not embedding.any():
            raise MetricError(f"the {side} has no finite speaker embedding")
        return embedding
