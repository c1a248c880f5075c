"""Real speech, loaded metrics and noise for the metrics' tests."""

from __future__ import annotations

import numpy as np
import pytest
from real_speech import RATE, Speech, told_speech, voices

from metrics.base import Metric, MetricUnavailable, Samples, Score
from metrics.registry import get


@pytest.fixture(scope="session")
def speech() -> list[Speech]:
    """A few utterances with transcripts."""
    return told_speech()


@pytest.fixture(scope="session")
def clip(speech: list[Speech]) -> Samples:
    """Four seconds of speech."""
    return speech[0].samples[: 4 * RATE]


@pytest.fixture(scope="session")
def stranger() -> Samples:
    """Four seconds of another speaker."""
    return voices()[0][: 4 * RATE]


class Lab:
    """Metrics by name, loaded once, and what to score with them."""

    def __init__(self) -> None:
        """Start with nothing loaded."""
        self._loaded: dict[str, Metric] = {}

    def load(self, name: str) -> Metric:
        """Return the metric, loaded once per session; skips one whose weights come separately."""
        if name not in self._loaded:
            metric = get(name)()
            try:
                metric.load()
            except MetricUnavailable as reason:
                if not metric.optional:
                    raise
                pytest.skip(str(reason))
            self._loaded[name] = metric
        return self._loaded[name]

    def score(
        self, name: str, reference: Samples, estimate: Samples, text: str | None = "a word"
    ) -> Score:
        """Score one pair, the reference prepared first."""
        metric = self.load(name)
        return metric.compare(reference, estimate, text)

    @staticmethod
    def noisy(samples: Samples, snr: float) -> Samples:
        """Return samples with white noise at `snr` dB, scaled to stay within [-1, 1]."""
        noise = np.random.default_rng(0).normal(size=samples.size)
        noise *= np.std(samples) / np.std(noise) * 10 ** (-snr / 20)
        mixed = samples + noise
        return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The session's metrics."""
    return Lab()
