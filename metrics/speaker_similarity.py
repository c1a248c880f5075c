"""Cosine between speaker embeddings, through Resemblyzer.

Source: Wan, Wang, Papir, Lopez Moreno, "Generalized end-to-end loss for speaker verification",
ICASSP 2018; Resemblyzer's encoder (Jemine, 2019), whose weights its package carries.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.base import Facts, Metric, MetricError, Samples, Score, Utterance, check_pair
from metrics.cache import LRU
from metrics.packages import import_pinned, verified

_PINS = {"Resemblyzer": "0.1.4"}
_WEIGHTS_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
_HINT = "Its webrtcvad needs pkg_resources, gone from newer ones: pip install 'setuptools<81'"
_MIN_SECONDS = 0.5
_REFERENCES = 4096


class SpeakerSimilarity(Metric):
    """Cosine of the two embeddings, in [0, 1] as their components are; 1 for the same audio.

    Each side is prepared as Resemblyzer prescribes: raised to -30 dBFS if quieter, and only the
    stretches its voice activity detector keeps are embedded.
    """

    facts = Facts(
        name="speaker_similarity",
        label="Speaker similarity",
        kind="reference",
        unit="cosine",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"1 (Resemblyzer {_PINS['Resemblyzer']}, voiced parts)",
        source="Wan et al., GE2E, ICASSP 2018; Resemblyzer 0.1.4",
        description=(
            "Cosine between speaker embeddings of estimate and reference. Different speakers "
            "score far above 0: compare systems, not the value with 1."
        ),
        lower_bound=0.0,
        upper_bound=1.0,
    )
    packages = ("Resemblyzer", "webrtcvad", "torch", "librosa", "scipy")

    def load(self) -> None:
        """Load the encoder on the CPU; raises MetricUnavailable if something is absent."""
        with warnings.catch_warnings():
            # Deprecations inside webrtcvad (pkg_resources) and Resemblyzer (scipy.ndimage).
            warnings.simplefilter("ignore")
            package = import_pinned("resemblyzer", _PINS, _HINT)
        weights = verified(
            Path(package.__file__).with_name("pretrained.pt"), _WEIGHTS_SHA256, _PINS
        )
        self._encoder: Any = package.VoiceEncoder("cpu", verbose=False, weights_fpath=weights)
        self._prepare: Any = package.preprocess_wav
        self._references: LRU[Hashable, NDArray[np.float64]] = LRU(_REFERENCES)

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError if a side has no voice."""
        check_pair(utterance, self.facts, _MIN_SECONDS)
        reference = self._references.get(
            utterance.reference_key, lambda: self._embed(utterance.reference, "reference")
        )
        estimate = self._embed(utterance.estimate, "estimate")
        norms = math.sqrt((reference @ reference) * (estimate @ estimate))
        return Score(float(reference @ estimate) / norms)

    def _embed(self, samples: Samples, side: str) -> NDArray[np.float64]:
        voiced = self._prepare(samples)
        if voiced.size == 0:
            raise MetricError(f"no voice is found in the {side}")
        embedding = self._encoder.embed_utterance(voiced).astype(np.float64)
        if not np.isfinite(embedding).all():
            raise MetricError(f"the {side} has no finite speaker embedding")
        return np.asarray(embedding, dtype=np.float64)
