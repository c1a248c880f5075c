"""What ViSQOL's two speech mappings share: not a metric."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np

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
from metrics.packages import import_pinned
from metrics.visqol_gammatone import PINS
from metrics.visqol_kernels import Floats
from metrics.visqol_similarity import PatchSimilarity

# 29 frames (an 80 ms window every 20 ms): the first 9 are skipped, one patch takes 20.
_MIN_SECONDS = 0.64


class SpeechVisqol(Metric):
    """ViSQOL in speech mode at 16 kHz; a subclass says how similarity becomes quality."""

    packages: tuple[str, ...] = ("visqol-python", "numba", "scipy")

    def load(self) -> None:
        """Import the package and compile its inner loops (seconds, once per machine)."""
        self._patches = PatchSimilarity(self.facts.sample_rate)
        self._core: Any = import_pinned("visqol.visqol_core", PINS)
        self._mapper: Any = self.mapper()
        self._mapper.init()
        noise = np.random.default_rng(0).normal(0, 0.1, self.facts.sample_rate)
        sound = noise.astype(np.float32)
        self.score(Utterance("warm-up", sound, sound, self.prepare(sound)))

    @abstractmethod
    def mapper(self) -> Any:
        """Return visqol-python's mapper; raises MetricUnavailable if its runtime is absent."""

    @abstractmethod
    def features(self, patches: list[Any]) -> tuple[Floats, ...]:
        """Return what the mapper takes beside the bands' mean similarity."""

    def prepare(self, reference: Samples) -> Prepared:
        """Return the spectrogram (21, frames) of the reference (T,) and where patches start."""
        check_audio(reference, "reference", self.facts.sample_rate, _MIN_SECONDS)
        signal = reference.astype(np.float64)
        spectrogram = self._patches.gammatone.spectrogram(signal)
        places = self._patches.places(signal, spectrogram.shape[1])
        return {"spectrogram": spectrogram, "places": places}

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError on bad or too short input."""
        check_pair(utterance, self.facts, _MIN_SECONDS)
        found = self._patches.compare(
            utterance.reference.astype(np.float64),
            utterance.prepared["spectrogram"],
            utterance.prepared["places"],
            utterance.estimate.astype(np.float64),
        )
        similarity = self._core.calc_per_patch_mean_freq_band_means(found)
        value = self._mapper.predict_quality(similarity, *self.features(found))
        value = self._core.alter_for_similarity_extremes(float(np.mean(similarity)), value)
        if not math.isfinite(value):
            raise MetricError(f"ViSQOL returned {value}")
        return Score(float(value))
