"""The requantization study as a long table: every figure and test of the page, a row each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from leaderboard.board import Board
from leaderboard.codebook_figures import reconstruction
from leaderboard.compare import Tested, estimate
from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import Difference, Estimate
from leaderboard.study import Arm, Group, Refitted
from leaderboard.study_contrasts import Gap, Slope

COLUMNS = [
    "quantity", "base", "kept", "seed", "codebooks", "entries", "error_db", "series", "split",
    "metric", "value", "ci_low", "ci_high", "p", "p_holm", "n", "n_speakers", "unit",
]  # fmt: skip
Tests = Sequence[tuple[Group, str, list[Slope], list[Gap]]]


def codebook_table(board: Board, refitted: Sequence[Refitted], tests: Tests) -> pd.DataFrame:
    """Return the page's values, with the columns of `COLUMNS`.

    `quantity` is "quantization error", "mse", "usage" or "entropy" (of the first, or the n-th,
    codebook: `codebooks`), "reconstruction" (from the first `codebooks` codes), "resynthesis",
    "slope" (per dB), "gap" (at one K) or "gap slope" (per dB).
    """
    rows: list[dict[str, Any]] = []
    for entry in refitted:
        rows += _quantizer_rows(entry)
        for split in board.splits:
            for metric in board.metrics_of(split):
                rows += _reconstruction_rows(board, entry, split, metric)
    for group, split, slopes, gaps in tests:
        rows += _resynthesis_rows(board, group, split)
        rows += [_slope_row(group, split, slope) for slope in slopes]
        rows += [row for gap in gaps for row in _gap_rows(group, split, gap)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    whole = ["kept", "seed", "codebooks", "entries", "n", "n_speakers"]
    return table.astype(dict.fromkeys(whole, "Int64"))


def _quantizer_rows(entry: Refitted) -> Iterator[dict[str, Any]]:
    quantities = {
        "quantization error": (entry.refit.error_db, "dB"), "mse": (entry.refit.mse, "z squared"),
        "usage": (entry.refit.usage, "share of entries"), "entropy": (entry.refit.entropy, "bits"),
    }  # fmt: skip
    for quantity, (values, unit) in quantities.items():
        for count, value in enumerate(values, start=1):
            error = entry.refit.error_db[count - 1]
            common = _common(quantity, entry.arm, count, entry.entries, error)
            yield common | {"value": value, "unit": unit}


def _reconstruction_rows(
    board: Board, entry: Refitted, split: str, metric: MetricKey
) -> Iterator[dict[str, Any]]:
    for count, system, value in reconstruction(board, entry, split, metric):
        error = entry.refit.error_db[count - 1]
        yield (
            _common("reconstruction", entry.arm, count, entry.entries, error)
            | _value(system.label, split, metric, value)
        )


def _resynthesis_rows(board: Board, group: Group, split: str) -> Iterator[dict[str, Any]]:
    for series in group.series:
        for point in series.points:
            common = _common(
                "resynthesis", group.arm, group.codebooks, point.entries, point.error_db
            )
            for metric in board.metrics_of(split):
                scores = point.system.scores_of(split, metric)
                value = estimate(scores, metric) if scores else None
                if value:
                    yield common | _value(series.label, split, metric, value)


def _slope_row(group: Group, split: str, slope: Slope) -> dict[str, Any]:
    common = _common("slope", group.arm, group.codebooks)
    return common | _tested(slope.series.label, split, slope.test, " per dB")


def _gap_rows(group: Group, split: str, gap: Gap) -> Iterator[dict[str, Any]]:
    name = f"{gap.left.label} minus {gap.right.label}"
    errors = {point.entries: point.error_db for point in gap.left.points}
    for entries, test in gap.tests.items():
        common = _common("gap", group.arm, group.codebooks, entries, errors[entries])
        yield common | _tested(name, split, test)
    if gap.slope:
        common = _common("gap slope", group.arm, group.codebooks)
        yield common | _tested(name, split, gap.slope, " per dB")


def _common(
    quantity: str, arm: Arm, count: int, entries: int | None = None, error: float = math.nan
) -> dict[str, Any]:
    return {
        "quantity": quantity, "base": arm.base, "kept": arm.kept, "seed": arm.seed,
        "codebooks": count, "entries": entries, "error_db": error,
    }  # fmt: skip


def _value(
    series: str, split: str, metric: MetricKey, value: Estimate | Difference
) -> dict[str, Any]:
    return {
        "series": series, "split": split, "metric": metric.name, "value": value.mean,
        "ci_low": value.low, "ci_high": value.high, "n": value.n, "n_speakers": value.speakers,
        "unit": metric.unit,
    }  # fmt: skip


def _tested(series: str, split: str, test: Tested, per: str = "") -> dict[str, Any]:
    row = _value(series, split, test.metric, test.difference)
    unit = f"{test.metric.unit}{per}"
    return row | {"p": test.difference.p, "p_holm": test.p_holm, "unit": unit}
