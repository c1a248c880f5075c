"""What runs in a scoring process: metrics are loaded, pairs are read, rows are sent back.

Before each call into a metric the parent is told what begins, so that it can say what hung, or what
was running when the process was killed. Signal metrics stay loaded; of the models one at a time.
"""

from __future__ import annotations

import gc
import math
import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from harness.errors import UserError
from harness.scoring.items import Item, Pair, Row, Spec, missing, row
from harness.scoring.prepared import PreparedCache
from metrics.base import (
    Metric,
    MetricError,
    MetricUnavailable,
    NotApplicable,
    Result,
    Score,
    Utterance,
)

PARENT_SECONDS = 2.0


@dataclass(frozen=True)
class Task:
    """Items to score by metrics that share a model, or have none."""

    items: tuple[Item, ...]
    specs: tuple[Spec, ...]


@dataclass(frozen=True)
class Begins:
    """The process is about to load a metric (`items` is 0), or to score so many items by it."""

    spec: Spec
    items: int


@dataclass(frozen=True)
class Scored:
    """One metric's rows for all items of the task, and the seconds they took."""

    metric: str
    rows: tuple[Row, ...]
    seconds: float


@dataclass(frozen=True)
class Ended:
    """The task is done."""


@dataclass(frozen=True)
class Unavailable:
    """A metric's packages or weights are absent."""

    message: str


Message: TypeAlias = Begins | Scored | Ended | Unavailable
Send: TypeAlias = Callable[[Message], None]


class Scorer:
    """Scores tasks, one after the other, and says what it does through `send`."""

    def __init__(self, folder: Path | None, send: Send) -> None:
        self.prepared, self.send = PreparedCache(folder), send
        self.loaded: dict[str, Metric] = {}  # by their specs, since looking one up takes 3 ms

    def do(self, task: Task) -> None:
        """Score every item by every metric of a task; none of the two raises."""
        pairs: list[Pair | str] = [read(item) for item in task.items]
        for spec in task.specs:
            metric = self.metric(spec)
            self.send(Begins(spec, len(pairs)))
            started = time.perf_counter()
            rows = self.rows(metric, task.items, pairs)
            self.send(Scored(metric.facts.name, tuple(rows), time.perf_counter() - started))

    def metric(self, spec: Spec) -> Metric:
        """Return a loaded metric; what holds another model is let go first."""
        key = repr(spec)
        if key in self.loaded:
            return self.loaded[key]
        metric = spec.build()
        if metric.model is not None:
            self.unload(metric.model)
        self.send(Begins(spec, 0))
        metric.load()
        self.loaded[key] = metric
        return metric

    def unload(self, wanted: str) -> None:
        """Let metrics go whose model is another one."""
        for key, metric in list(self.loaded.items()):
            if metric.model not in (None, wanted):
                del self.loaded[key]
        gc.collect()

    def rows(self, metric: Metric, items: Sequence[Item], pairs: Sequence[Pair | str]) -> list[Row]:
        """Return one row per item; what could not be read is missing in every metric."""
        results: dict[int, Result | str] = {}
        ready: dict[int, Utterance] = {}
        for at, pair in enumerate(pairs):
            found = self.utterance(metric, pair) if isinstance(pair, Pair) else pair
            if isinstance(found, Utterance):
                ready[at] = found
            else:
                results[at] = found
        results |= zip(ready, score_all(metric, list(ready.values())), strict=True)
        name = metric.facts.name
        return [result_row(item, name, results[at]) for at, item in enumerate(items)]

    def utterance(self, metric: Metric, pair: Pair) -> Utterance | Result | str:
        """Return what the metric scores, its reference prepared, or why it cannot be."""
        reference, estimate = pair.at(metric.facts.sample_rate)
        try:
            prepared = self.prepared.get(
                metric.facts, pair.reference_key, lambda: metric.prepare(reference)
            )
        except (MetricError, NotApplicable) as reason:
            return reason
        except Exception as error:  # a metric's boundary: the row says what it raised
            return raised(error)
        item = pair.item
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


def score_all(metric: Metric, utterances: Sequence[Utterance]) -> list[Result | str]:
    """Score utterances together, or each alone if together they raise what no metric should."""
    if not utterances:
        return []
    try:
        return list(metric.score_batch(utterances))
    except Exception as error:  # a metric's boundary: the row says what it raised
        if len(utterances) == 1:
            return [raised(error)]
    return [score_all(metric, [utterance])[0] for utterance in utterances]


def raised(error: Exception) -> str:
    """Describe what a metric raised, and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"


def result_row(item: Item, metric: str, result: Result | str) -> Row:
    """Return the row of one result; NaN is no score."""
    named = (item.utterance, item.speaker, metric)
    if isinstance(result, Score) and not math.isnan(result.value):
        return row(*named, **asdict(result))
    if isinstance(result, NotApplicable):
        return row(*named, status="not applicable", reason=str(result))
    return missing(item, metric, "NaN was returned" if isinstance(result, Score) else str(result))


def serve(connection: Connection, folder: Path | None) -> None:
    """Be a scoring process: do tasks until the parent hangs up."""
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    scorer = Scorer(folder, connection.send)
    while True:
        try:
            task: Task = connection.recv()
            scorer.do(task)
            connection.send(Ended())
        except MetricUnavailable as error:
            connection.send(Unavailable(str(error)))
        except (EOFError, BrokenPipeError):
            return


def end_with(parent: int) -> None:
    """End this process when its parent has: a killed parent cannot stop it, nor say goodbye."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)
