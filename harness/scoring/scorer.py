"""The work of a scoring process: metrics are loaded, pairs are read, rows are sent back.

Before each call into a metric the parent is told what begins, so that it can say what hung, or what
was running when the process was killed. Signal metrics stay loaded; of the models one at a time.
"""

from __future__ import annotations

import gc
import math
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias, TypeVar

from harness.errors import UserError
from harness.scoring.items import Item, Pair, Row, Spec, missing, row
from harness.scoring.messages import Begins, Message, Scored, Task
from harness.scoring.prepared import PreparedCache
from metrics.base import (
    Metric,
    MetricUnavailable,
    NotApplicable,
    Prepared,
    Result,
    Samples,
    Score,
    Utterance,
)

COUNTS = ("errors", "words")


T = TypeVar("T")
R = TypeVar("R")
Send: TypeAlias = Callable[[Message], None]


class Scorer:
    """Scores tasks, one after the other, and says what it does through `send`."""

    def __init__(self, folder: Path | None, send: Send) -> None:
        self.prepared, self.send = PreparedCache(folder), send
        self.loaded: dict[str, Metric] = {}  # by their specs, since looking one up takes 3 ms

    def do(self, task: Task) -> None:
        """Score every item by every metric of a task. Raises MetricUnavailable, nothing else."""
        pairs: list[Pair | str] = [read(item) for item in task.items]
        for spec in task.specs:
            metric = self.metric(spec)
            self.send(Begins(len(pairs)))
            started = time.perf_counter()
            rows = self.rows(metric, spec, task.items, pairs)
            self.send(Scored(metric.facts.name, tuple(rows), time.perf_counter() - started))

    def metric(self, spec: Spec) -> Metric:
        """Return a loaded metric; what holds another model is let go first."""
        key = repr(spec)
        if key in self.loaded:
            return self.loaded[key]
        metric = spec.build()
        if metric.model is not None:
            self.unload(metric.model)
        self.send(Begins(0, loading=True))
        try:
            metric.load()
        except MetricUnavailable:
            raise
        except Exception as error:  # a metric's boundary: what it raised is said
            name = metric.facts.name
            raise MetricUnavailable(f"{name} cannot be loaded: {raised(error)}") from error
        self.loaded[key] = metric
        return metric

    def unload(self, wanted: str) -> None:
        """Let metrics go whose model is another one."""
        for key, metric in list(self.loaded.items()):
            if metric.model not in (None, wanted):
                del self.loaded[key]
        gc.collect()

    def rows(
        self, metric: Metric, spec: Spec, items: Sequence[Item], pairs: Sequence[Pair | str]
    ) -> list[Row]:
        """Return one row per item; what could not be read is missing in every metric."""
        results: dict[int, Result | str] = {}
        sides: dict[int, tuple[Samples, Samples]] = {}
        for at, pair in enumerate(pairs):
            found = at_rate(pair, metric.facts.sample_rate) if isinstance(pair, Pair) else pair
            if isinstance(found, tuple):
                sides[at] = found
            else:
                results[at] = found
        keys = {at: pair.reference_key for at, pair in enumerate(pairs) if isinstance(pair, Pair)}
        prepared = self.prepare(metric, spec, {keys[at]: side[0] for at, side in sides.items()})
        ready: dict[int, Utterance] = {}
        for at, (reference, estimate) in sides.items():
            done = prepared[keys[at]]
            if isinstance(done, dict):
                ready[at] = utterance(items[at], reference, estimate, done)
            else:
                results[at] = done
        results |= zip(ready, each(metric.score_batch, list(ready.values())), strict=True)
        return [result_row(item, metric.facts.name, results[at]) for at, item in enumerate(items)]

    def prepare(
        self, metric: Metric, spec: Spec, references: dict[str, Samples]
    ) -> dict[str, Prepared | Result | str]:
        """Return the references' side by their keys, or why there is none."""
        if not metric.prepares:
            return {key: {} for key in references}
        place = self.prepared.place(metric.facts, spec.params)
        found: dict[str, Prepared | Result | str] = {}
        for key in references:
            kept = self.prepared.get(place, key)
            if kept is not None:
                found[key] = kept
        left = {key: samples for key, samples in references.items() if key not in found}
        made = each(metric.prepare_batch, list(left.values()))
        for key, one in zip(left, made, strict=True):
            found[key] = one
            if isinstance(one, dict):
                self.prepared.put(place, key, one)
        return found


def utterance(item: Item, reference: Samples, estimate: Samples, prepared: Prepared) -> Utterance:
    """Return what a metric scores."""
    return Utterance(
        id=item.utterance,
        reference=reference,
        estimate=estimate,
        prepared=prepared,
        transcript=item.transcript,
        language=item.language,
        made=item.made,
    )


def read(item: Item) -> Pair | str:
    """Return an item's audio, or why there is none."""
    try:
        return Pair(item)
    except UserError as error:
        return str(error)
    except Exception as error:  # as a file too large for memory raises: its rows say so
        return raised(error)


def at_rate(pair: Pair, rate: int) -> tuple[Samples, Samples] | str:
    """Return both sides at a rate, or why there are none."""
    try:
        return pair.at(rate)
    except Exception as error:  # want of memory: the row says so
        return raised(error)


def each(call: Callable[[Sequence[T]], Sequence[R]], inputs: Sequence[T]) -> list[R | str]:
    """Call with all inputs, or each alone if together they raise what no metric should."""
    if not inputs:
        return []
    try:
        return list(call(inputs))
    except Exception as error:  # a metric's boundary: the row says what it raised
        if len(inputs) == 1:
            return [raised(error)]
    return [each(call, [one])[0] for one in inputs]


def raised(error: Exception) -> str:
    """Describe what a metric raised, and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"


def result_row(item: Item, metric: str, result: Result | str) -> Row:
    """Return the row of one result, in plain numbers; NaN is no score."""
    named = (item.utterance, item.speaker, metric)
    if isinstance(result, Score) and not math.isnan(result.value):
        counts = {n: None if (v := getattr(result, n)) is None else int(v) for n in COUNTS}
        return row(*named, **asdict(result) | {"value": float(result.value)} | counts)
    if isinstance(result, NotApplicable):
        return row(*named, status="not applicable", reason=str(result))
    return missing(item, metric, "NaN was returned" if isinstance(result, Score) else str(result))
