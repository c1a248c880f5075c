"""The contract of a metric: a pure function of one utterance, and the facts a page needs.

Audio is mono float32 in [-1, 1], NumPy arrays of shape (T,), at the rate the facts declare.
A metric raises on bad input; it never repairs, trims or returns a value that stands in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Kind = Literal["reference", "no reference", "transcript", "latent", "cost", "set-level"]
Aggregator = Literal["mean", "ratio"]


class MetricError(ValueError):
    """The input cannot be scored (too short, silent, NaN): the score is missing, and why."""


class NotApplicable(Exception):
    """The metric has no meaning here by design (no transcript for WER): expected, not a failure."""


class MetricUnavailable(RuntimeError):
    """A package or model file the metric needs is absent; the message says how to get it."""


@dataclass(frozen=True)
class Facts:
    """What a page or a record says of a metric. `version` changes whenever values may change."""

    name: str
    label: str
    kind: Kind
    unit: str
    higher_is_better: bool
    sample_rate: int
    version: str
    source: str
    description: str
    lower_bound: float | None = None
    upper_bound: float | None = None
    aggregator: Aggregator = "mean"
    predicted: bool = False
    slow: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Utterance:
    """One pair to score: equally long arrays at the metric's rate; transcript None if unknown.

    `reference_key` identifies the reference's content, for caches of reference-side work.
    """

    id: str
    reference: Samples
    estimate: Samples
    transcript: str | None
    reference_key: Hashable


@dataclass(frozen=True)
class Score:
    """One value; WER and CER add their counts (value = errors / words), WER also the hypothesis."""

    value: float
    errors: int | None = None
    words: int | None = None
    text: str | None = None


class Metric(ABC):
    """A metric: declared facts, an optional `load` of models, and `score`.

    Modules import light (NumPy only); packages and models are brought in by `load`, once per
    worker, so that a plan can read every metric's facts in milliseconds.
    """

    facts: ClassVar[Facts]
    packages: ClassVar[tuple[str, ...]] = ()

    def load(self) -> None:  # noqa: B027 - most metrics have nothing to load
        """Import packages and load models; raises MetricUnavailable if something is absent."""

    @abstractmethod
    def score(self, utterance: Utterance) -> Score:
        """Score one utterance. Raises MetricError or NotApplicable, never returns a stand-in."""


def check_pair(utterance: Utterance, facts: Facts, min_seconds: float = 0.0) -> None:
    """Raise MetricError unless both sides are finite, audible, equally long and long enough."""
    if utterance.reference.shape != utterance.estimate.shape:
        raise MetricError(
            f"reference has {utterance.reference.size} samples, estimate {utterance.estimate.size}"
        )
    for side in ("reference", "estimate"):
        check_audio(getattr(utterance, side), side, facts.sample_rate, min_seconds)


def check_audio(samples: Samples, side: str, sample_rate: int, min_seconds: float = 0.0) -> None:
    """Raise MetricError unless `samples` is one finite, audible channel of `min_seconds`."""
    if samples.ndim != 1 or samples.size == 0:
        raise MetricError(f"{side} has shape {samples.shape}, not (samples,)")
    if not np.isfinite(samples).all():
        raise MetricError(f"{side} holds NaN or infinite samples")
    if not samples.any():
        raise MetricError(f"{side} is digital silence")
    if samples.size < min_seconds * sample_rate:
        raise MetricError(
            f"{side} is {samples.size / sample_rate:.3f} s, too short (< {min_seconds} s)"
        )
