"""What is scored: pairs of files, small enough to send between processes; audio stays on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import JsonValue

from harness.audio import Samples, fit_length, fit_resampled, read_audio, resample
from harness.errors import UserError
from metrics import registry
from metrics.base import Made, Metric, MetricError

Row: TypeAlias = dict[str, object]


@dataclass(frozen=True)
class Item:
    """One reference and one estimate of an utterance, at `rate` Hz.

    An estimate may be up to `padding` samples longer than the reference; where `resample` is set
    it may have another rate (and be off by what rounding explains). `transcript`, `language` and
    `made` are None if unknown.
    """

    utterance: str
    speaker: str
    reference: Path
    estimate: Path
    rate: int
    padding: int = 0
    resample: bool = False
    transcript: str | None = None
    language: str | None = None
    made: Made | None = None


@dataclass(frozen=True)
class Spec:
    """A metric as a configuration names it: what a process needs to build it."""

    name: str
    params: dict[str, JsonValue]
    variant: str = ""

    def build(self) -> Metric:
        """Return the metric, nothing loaded. Raises UserError for an unknown name or parameter."""
        try:
            return registry.make(self.name, self.params, self.variant)
        except MetricError as error:
            raise UserError(str(error)) from error


class Pair:
    """The audio of one item: read once, resampled once for each rate that metrics ask for."""

    def __init__(self, item: Item) -> None:
        """Read both files.

        Raises UserError, naming the side: unreadable, truncated, stereo, empty, silent, not
        finite, at another rate, or an estimate whose length the padding does not explain.
        """
        self.item = item
        reference, _ = read_audio(item.reference, "reference", item.rate)
        expected = None if item.resample else item.rate
        estimate, rate = read_audio(item.estimate, "estimate", expected)
        if rate != item.rate:
            estimate = resample(estimate, rate, item.rate)
            estimate = fit_resampled(estimate, len(reference), (rate, item.rate))
        estimate = fit_length(estimate, len(reference), item.padding, "estimate")
        self._sides: dict[int, tuple[Samples, Samples]] = {item.rate: (reference, estimate)}

    def at(self, rate: int) -> tuple[Samples, Samples]:
        """Return reference and estimate, (T,) each, at `rate` Hz."""
        if rate not in self._sides:
            reference, estimate = self._sides[self.item.rate]
            sides = (resample(side, self.item.rate, rate) for side in (reference, estimate))
            self._sides[rate] = (*sides,)  # type: ignore[assignment]
        return self._sides[rate]

    @property
    def seconds(self) -> float:
        """How long the reference is."""
        return len(self._sides[self.item.rate][0]) / self.item.rate

    @cached_property
    def reference_key(self) -> str:
        """An id of the reference's samples and rate, whatever file they lie in."""
        content = hashlib.sha256(self._sides[self.item.rate][0].tobytes())
        content.update(f" {self.item.rate}".encode())
        return content.hexdigest()


def row(utterance: str, speaker: str, metric: str, **result: Any) -> Row:
    """Return one row of a score table."""
    empty = dict.fromkeys(("value", "reason", "errors", "words", "text"))
    named = {"utterance": utterance, "speaker": speaker, "metric": metric}
    return {**named, "status": "scored", **empty, **result}


def missing(item: Item, metric: str, reason: str) -> Row:
    """Return the row of a score that should be there, and why it is not."""
    return row(item.utterance, item.speaker, metric, status="missing", reason=reason)
