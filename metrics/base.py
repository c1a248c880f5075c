"""The contract of a metric: a pure function of one utterance, and the facts a page needs.

Audio is mono float32 in [-1, 1], NumPy arrays of shape (T,), at the rate the facts declare.
A metric raises on bad input; it never repairs, trims or returns a value that stands in.

What depends on the reference alone is a metric's `prepare`: arrays that the harness computes once
per corpus and keeps by content, so that scoring a second system pays for its own side only.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Samples = NDArray[np.float32]
Prepared: TypeAlias = dict[str, NDArray[Any]]
Kind = Literal["reference", "no reference", "transcript", "latent", "cost", "set-level"]
Aggregator = Literal["mean", "ratio"]
NEEDS: dict[Kind, tuple[str, ...]] = {
    "reference": ("estimate", "reference"),
    "no reference": ("estimate",),
    "transcript": ("estimate", "transcript"),
    "latent": ("synthesis record",),
    "cost": ("synthesis record",),
    "set-level": ("estimates", "references"),
}


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

    @property
    def needs(self) -> tuple[str, ...]:
        """What a score is computed from."""
        return NEEDS[self.kind]

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return asdict(self)

    def renamed(self, variant: str) -> Facts:
        """Return the facts of a variant, whose name and label say which it is."""
        suffix = re.sub(r"[^a-z0-9]+", "_", variant.lower()).strip("_")
        if not suffix:
            return self
        return replace(self, name=f"{self.name}_{suffix}", label=f"{self.label}, {variant}")


@dataclass(frozen=True)
class LatentMatch:
    """How a method's output compares with the codec's own latents z and codes of the reference.

    `error` is the squared difference from z, summed; `energy` that of z from its mean over time;
    `right` of `codes` codes after x1 are the codec's own, for methods that predict codes.
    """

    error: float
    energy: float
    right: int | None = None
    codes: int | None = None


@dataclass(frozen=True)
class Made:
    """What was measured while an estimate was made; `latent` is None if no latents were."""

    synthesis_seconds: float
    audio_seconds: float
    latent: LatentMatch | None


@dataclass(frozen=True)
class Utterance:
    """One pair to score, at the metric's rate.

    `prepared` is what the metric's `prepare` made of `reference`. `transcript`, `language` (an
    ISO 639-1 code) and `made` are None if unknown.
    """

    id: str
    reference: Samples
    estimate: Samples
    prepared: Prepared = field(default_factory=dict)
    transcript: str | None = None
    language: str | None = None
    made: Made | None = None


@dataclass(frozen=True)
class Score:
    """One value; WER and CER add their counts (value = errors / words) and the hypothesis."""

    value: float
    errors: int | None = None
    words: int | None = None
    text: str | None = None


Refusal: TypeAlias = MetricError | NotApplicable
Result: TypeAlias = Score | Refusal


class Metric(ABC):
    """A metric: declared facts, parameters, an optional `load` of models, and `score`.

    Modules import light (NumPy and pydantic only); packages and models are brought in by `load`,
    once per worker, so that a plan can read every metric's facts in milliseconds.

    `model` names what `load` brings into memory: a worker holds one model at a time, and metrics
    of the same model are scored together. Metrics without one stay loaded. It and `packages` may
    follow from the parameters.
    `batch_size` is how many utterances `score_batch` is given at most. `optional` says that weights
    are not installed with the project.
    """

    class Params(BaseModel):
        """A metric's parameters: none, unless it declares some."""

        model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    facts: Facts
    packages: tuple[str, ...] = ()
    model: str | None = None
    batch_size: ClassVar[int] = 1
    optional: ClassVar[bool] = False

    def __init__(self, params: Params | None = None, variant: str = "") -> None:
        """Take checked parameters (default: the metric's own); load nothing yet."""
        self.params = self.Params() if params is None else params
        self.facts = self.described().renamed(variant)

    def described(self) -> Facts:
        """Return the facts under these parameters; whatever changes values is in `version`."""
        return self.facts

    def load(self) -> None:  # noqa: B027 - most metrics have nothing to load
        """Import packages and load models; raises MetricUnavailable if something is absent."""

    def prepare(self, reference: Samples) -> Prepared:
        """Return the work on the reference (T,) that every estimate shares, as arrays.

        Raises:
            MetricError: the reference cannot be scored against.
        """
        return {}

    def prepare_batch(self, references: Sequence[Samples]) -> list[Prepared | Refusal]:
        """Prepare up to `batch_size` references; what raises for one is returned in its place."""
        found: list[Prepared | Refusal] = []
        for reference in references:
            try:
                found.append(self.prepare(reference))
            except (MetricError, NotApplicable) as reason:
                found.append(reason)
        return found

    @property
    def prepares(self) -> bool:
        """Whether there is work on the reference to keep."""
        return type(self).prepare is not Metric.prepare

    @abstractmethod
    def score(self, utterance: Utterance) -> Score:
        """Score one utterance. Raises MetricError or NotApplicable, never returns a stand-in."""

    def compare(
        self, reference: Samples, estimate: Samples, transcript: str | None = None
    ) -> Score:
        """Score one pair (T,) at the facts' rate by itself, its reference prepared on the way.

        Raises as `prepare` and `score` do.
        """
        prepared = self.prepare(reference)
        return self.score(Utterance("", reference, estimate, prepared, transcript))

    def score_batch(self, utterances: Sequence[Utterance]) -> list[Result]:
        """Score up to `batch_size` utterances; what raises for one is returned in its place."""
        return [self._result(utterance) for utterance in utterances]

    def _result(self, utterance: Utterance) -> Result:
        try:
            return self.score(utterance)
        except (MetricError, NotApplicable) as reason:
            return reason


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
