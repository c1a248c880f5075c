"""Score pairs by metrics: signal metrics pair by pair, models in batches, in any order.

Which process scored what, how many there are, and what else is in the run change no value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pandas as pd

from harness.records import SCORE_COLUMNS
from harness.scoring.items import Item, Row, Spec
from harness.scoring.messages import Scored, Task
from harness.scoring.pool import Pool

Wanted: TypeAlias = tuple[Spec, Sequence[Item]]
# Told of every part of the rows, and of all of its metric so far.
Hear: TypeAlias = Callable[[Scored, "Scores"], None]


@dataclass
class Scores:
    """One metric's rows by utterance, and the seconds that computing them took."""

    rows: dict[str, Row] = field(default_factory=dict)
    seconds: float = 0.0


def score(pool: Pool, wanted: Sequence[Wanted], hear: Hear) -> dict[str, Scores]:
    """Score each metric's items; `hear` gets every part of the rows as soon as it is there.

    Returns the scores by the metrics' full names. Raises UserError for unknown metrics,
    MetricUnavailable for absent models.
    """
    found = {spec.build().facts.name: Scores() for spec, _ in wanted}
    for part in pool.run(tasks(wanted)):
        own = found[part.metric]
        own.rows |= {str(row["utterance"]): row for row in part.rows}
        own.seconds += part.seconds
        hear(part, own)
    return found


def tasks(wanted: Sequence[Wanted]) -> Iterator[Task]:
    """Yield the work: by model, so that a process loads each once, and by items, read once.

    Batches are as large as all metrics of a group take.
    """
    groups: dict[tuple[str | None, tuple[str, ...]], list[Wanted]] = {}
    for spec, items in wanted:
        named = tuple(item.utterance for item in items)
        groups.setdefault((spec.build().model, named), []).append((spec, items))
    for own in groups.values():
        specs, items = tuple(spec for spec, _ in own), own[0][1]
        size = min(spec.build().batch_size for spec in specs)
        for start in range(0, len(items), size):
            yield Task(tuple(items[start : start + size]), specs)


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Return rows as a table of `SCORE_COLUMNS`."""
    types = {"value": "float64", "errors": "Int64", "words": "Int64"}
    return pd.DataFrame(rows, columns=SCORE_COLUMNS).astype(types)
