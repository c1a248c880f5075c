"""Score the pairs of two folders; what was scored before is looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from harness.errors import UserError
from harness.scoring.engine import Scores, frame_of, score
from harness.scoring.folders import Paired
from harness.scoring.items import Row, Spec, row
from harness.scoring.known import KnownRows, key_of
from harness.scoring.messages import Scored
from harness.scoring.pool import Pool
from metrics.base import MetricUnavailable

# Told how many rows there are and how many of them are known; then of every row that is done.
Begin = Callable[[int, int], None]
Tick = Callable[[int], None]


def score_pairs(
    pool: Pool, paired: Paired, specs: Sequence[Spec], known: KnownRows, begin: Begin, tick: Tick
) -> pd.DataFrame:
    """Return one row per metric and utterance, of `SCORE_COLUMNS`.

    Raises UserError for an unknown metric, or one whose package or model is absent.
    """
    planned = [(spec, spec.build().facts) for spec in specs]
    named = {facts.name: spec for spec, facts in planned}
    keys = {
        (facts.name, item.utterance): key_of(item, facts, spec.params)
        for spec, facts in planned
        for item in paired.items
    }
    found = {place: kept for place, key in keys.items() if (kept := known.get(key)) is not None}
    begin(len(keys), len(found))

    def hear(part: Scored, own: Scores) -> None:
        places = [(part.metric, str(row["utterance"])) for row in part.rows]
        found.update(zip(places, part.rows, strict=True))
        known.put([(keys[p], found[p]) for p in places if found[p]["status"] != "missing"])
        tick(len(places))

    wanted = [
        (spec, [item for item in paired.items if (name, item.utterance) not in found])
        for name, spec in named.items()
    ]
    try:
        pool.check([spec for spec, items in wanted if items])
        score(pool, wanted, hear)
    except MetricUnavailable as error:
        raise UserError(str(error)) from error
    return frame_of([row for name in named for row in rows_of(name, paired, found)])


def rows_of(metric: str, paired: Paired, found: dict[tuple[str, str], Row]) -> Iterator[Row]:
    """Yield a metric's rows; names and speakers are those of now, values may be of before."""
    for item in paired.items:
        told = {"utterance": item.utterance, "speaker": item.speaker}
        yield {**found[metric, item.utterance], **told}
    for utterance, reason in paired.unpaired.items():
        yield row(utterance, "", metric, status="missing", reason=reason)
