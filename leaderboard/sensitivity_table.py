"""The sensitivity study as a long table: every value, difference and test of the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from leaderboard.compare import estimate
from leaderboard.sensitivity_tests import Response

COLUMNS = [
    "split", "artefact", "level", "level_unit", "step", "system", "metric", "value", "ci_low",
    "ci_high", "difference", "difference_low", "difference_high", "p", "p_holm", "seen",
    "relative", "tau", "tau_low", "tau_high", "n", "n_speakers", "unit", "higher_is_better",
]  # fmt: skip


def sensitivity_table(tested: Sequence[tuple[str, Sequence[Response]]]) -> pd.DataFrame:
    """Return a row per split, metric, artefact and level, with the columns of `COLUMNS`.

    `step` counts from the mildest level, 1. `difference` is the level's mean minus the reference's
    over the same utterances; `seen` is whether it is shown to be worse. `tau` is the artefact's,
    the same for all its levels. `relative` is the most severe level's difference in units of the
    codec's at its lowest bit rate.
    """
    rows = [row for split, found in tested for r in found for row in _rows(split, r)]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"n": "Int64", "n_speakers": "Int64"})


def _rows(split: str, response: Response) -> Iterator[dict[str, Any]]:
    graded, metric, follows = response.graded, response.metric, response.follows
    nothing = math.nan, math.nan, math.nan
    relative = response.relative[0] if response.relative else math.nan
    last = len(graded.levels) - 1
    tau = (follows.mean, follows.low, follows.high) if follows else nothing
    for place, (level, system) in enumerate(zip(graded.levels, graded.systems, strict=True)):
        scores, test = system.scores_of(split, metric), response.tests[place]
        value = estimate(scores, metric) if scores else None
        if value is None or test is None:
            continue
        change = test.difference
        row = (
            split, graded.title, level, graded.kind.unit, place + 1, system.slug, metric.name,
            value.mean, value.low, value.high, change.mean, change.low, change.high, change.p,
            test.p_holm, place in response.seen, relative if place == last else math.nan,
            *tau, change.n, change.speakers, metric.unit,
            metric.higher_is_better,
        )  # fmt: skip
        yield dict(zip(COLUMNS, row, strict=True))
