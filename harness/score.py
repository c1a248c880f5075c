"""Score one evaluation by one metric: a row per utterance, each a value or a reason."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import pandas as pd

from harness.audio import RESAMPLING_POLICY, Samples, resample
from harness.records import SCORE_COLUMNS, ScoreRecord
from metrics.base import Metric, MetricError, NotApplicable, Utterance


@dataclass(frozen=True)
class Pair:
    """Reference and estimate of one utterance at the split's rate, with what scoring needs."""

    utterance: str
    speaker: str
    reference: Samples
    estimate: Samples
    transcript: str | None
    reference_key: str


def score_pair(metric: Metric, pair: Pair, rate: int) -> dict[str, object]:
    """Return one row of a score table; a failure becomes a row with its reason, never a value."""
    target = metric.facts.sample_rate
    row: dict[str, object] = {
        "utterance": pair.utterance,
        "speaker": pair.speaker,
        "metric": metric.facts.name,
        "value": None,
        "status": "scored",
        "reason": None,
        "errors": None,
        "words": None,
        "text": None,
    }
    try:
        score = metric.score(
            Utterance(
                id=pair.utterance,
                reference=resample(pair.reference, rate, target),
                estimate=resample(pair.estimate, rate, target),
                transcript=pair.transcript,
                reference_key=(pair.reference_key, target),
            )
        )
    except NotApplicable as reason:
        return {**row, "status": "not applicable", "reason": str(reason)}
    except MetricError as reason:
        return {**row, "status": "missing", "reason": str(reason)}
    return {
        **row,
        "value": score.value,
        "errors": score.errors,
        "words": score.words,
        "text": score.text,
    }


def score_table(metric: Metric, pairs: Sequence[Pair], rate: int) -> tuple[pd.DataFrame, float]:
    """Return the table of one metric over `pairs`, and the seconds it took."""
    started = time.monotonic()
    table = pd.DataFrame([score_pair(metric, pair, rate) for pair in pairs], columns=SCORE_COLUMNS)
    types = {"value": "float64", "errors": "Int64", "words": "Int64"}
    return table.astype(types), time.monotonic() - started


def score_record(
    identity: str, evaluation: str, metric: Metric, table: pd.DataFrame, of: int, seconds: float
) -> ScoreRecord:
    """Describe a score table."""
    counts = Counter(table["status"])
    return ScoreRecord(
        id=identity,
        evaluation=evaluation,
        metric=metric.facts.as_dict(),
        resampling=RESAMPLING_POLICY,
        scored=counts["scored"],
        not_applicable=counts["not applicable"],
        missing=counts["missing"],
        of=of,
        seconds=round(seconds, 3),
        versions=package_versions(metric),
    )


def package_versions(metric: Metric) -> dict[str, str]:
    """Return the versions of the packages a metric declares."""
    found = {}
    for name in metric.packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
