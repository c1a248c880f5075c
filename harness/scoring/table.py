"""A score table for people and for scripts: means with intervals, and files."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.audio import RESAMPLING_POLICY
from harness.errors import UserError
from harness.scoring.evaluations import package_versions
from harness.store import atomic_write
from leaderboard.statistics import Estimate, mean_estimate, ratio_estimate
from metrics.base import Metric

FORMATS = (".csv", ".parquet", ".json")


@dataclass(frozen=True)
class Summary:
    """One metric over all utterances; `estimate` is None where nothing was scored."""

    metric: Metric
    estimate: Estimate | None
    scored: int
    not_applicable: int
    missing: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; infinite and undefined numbers become words or null."""
        estimate = asdict(self.estimate) if self.estimate else None
        return {
            **self.metric.facts.as_dict(),
            "versions": package_versions(self.metric),
            "scored": self.scored,
            "not_applicable": self.not_applicable,
            "missing": self.missing,
            "estimate": {k: plain(v) for k, v in estimate.items()} if estimate else None,
        }


def plain(value: float) -> float | str | None:
    """Return a number that JSON can hold: infinities as words, NaN as null."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def summarise(metric: Metric, table: pd.DataFrame) -> Summary:
    """Summarise one metric's rows; where speakers are unknown, utterances are the clusters."""
    counts = table["status"].value_counts()
    rows = table[table["status"] == "scored"]
    clusters = rows["speaker"].where(rows["speaker"] != "", rows["utterance"]).tolist()
    estimate = None
    if len(rows) and metric.facts.aggregator == "ratio":
        estimate = ratio_estimate(rows["errors"], rows["words"], clusters)
    elif len(rows):
        estimate = mean_estimate(rows["value"], clusters)
    found = (int(counts.get(status, 0)) for status in ("scored", "not applicable", "missing"))
    return Summary(metric, estimate, *found)


def printed(summary: Summary) -> tuple[str, ...]:
    """Return a summary's cells: metric, mean, interval, unit, direction, coverage."""
    facts, found = summary.metric.facts, summary.estimate
    mean = interval = "-"
    if found:
        mean = f"{found.mean:.4g}"
        interval = "" if math.isnan(found.low) else f"[{found.low:.4g}, {found.high:.4g}]"
        if found.infinite:
            interval = f"{found.infinite} infinite; the others' mean {found.finite_mean:.4g}"
    better = "higher" if facts.higher_is_better else "lower"
    coverage = f"{summary.scored}/{summary.scored + summary.missing}"
    left_out = f" ({summary.not_applicable} not applicable)" if summary.not_applicable else ""
    return facts.label, mean, interval, facts.unit, better, coverage + left_out


HEADER = ("metric", "mean", "95 % interval", "unit", "better", "scored")


def check_out(path: Path) -> None:
    """Raise UserError unless a table can be written there."""
    if path.suffix not in FORMATS:
        raise UserError(f"--out {path}: end its name with {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise UserError(f"--out {path}: folder {path.parent} does not exist; make it first")
    if path.is_dir():
        raise UserError(f"--out {path}: is a folder; name a file")


def write_table(path: Path, table: pd.DataFrame, summaries: Sequence[Summary]) -> None:
    """Write one row per utterance and metric, as the path's suffix says; JSON has the summary too.

    Raises UserError if it cannot be written; a file that was there is kept until then.
    """
    try:
        atomic_write(path, encoded(path.suffix, table, summaries))
    except OSError as error:
        raise UserError(f"--out {path}: cannot be written ({error.strerror})") from error


def encoded(suffix: str, table: pd.DataFrame, summaries: Sequence[Summary]) -> bytes:
    """Return a table's bytes."""
    if suffix == ".csv":
        return table.to_csv(index=False).encode()
    if suffix == ".parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        return buffer.getvalue()
    rows = json.loads(table.drop(columns="value").to_json(orient="records"))
    for row, value in zip(rows, table["value"], strict=True):
        row["value"] = plain(value)
    content = {
        "resampling": RESAMPLING_POLICY,
        "summary": [summary.as_dict() for summary in summaries],
        "rows": rows,
    }
    return json.dumps(content, indent=1, ensure_ascii=False).encode()
