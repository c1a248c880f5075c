"""What the pages know of a metric: the facts its score records carry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.records import ScoreRecord
from leaderboard.slugs import slug


@dataclass(frozen=True)
class MetricKey:
    """A metric at one version; `name` says the version too where the board holds several."""

    name: str
    label: str
    unit: str
    higher_is_better: bool
    ratio: bool
    predicted: bool
    kind: str
    version: str
    source: str
    description: str
    upper_bound: float | None


def metric_keys(scores: Sequence[ScoreRecord]) -> dict[str, MetricKey]:
    """Return each score's metric; a name carries its version where versions differ."""
    versions: dict[str, set[str]] = defaultdict(set)
    for score in scores:
        versions[str(score.metric["name"])].add(str(score.metric["version"]))
    return {
        score.id: _metric_key(score, several=len(versions[str(score.metric["name"])]) > 1)
        for score in scores
    }


def _metric_key(score: ScoreRecord, several: bool) -> MetricKey:
    facts = score.metric
    name, label, version = (str(facts[key]) for key in ("name", "label", "version"))
    upper = facts.get("upper_bound")
    return MetricKey(
        name=f"{name}@{slug(version)}" if several else name,
        label=f"{label} v{version}" if several else label,
        unit=str(facts["unit"]),
        higher_is_better=bool(facts["higher_is_better"]),
        ratio=facts.get("aggregator") == "ratio",
        predicted=bool(facts.get("predicted")),
        kind=str(facts.get("kind", "")),
        version=version,
        source=str(facts.get("source", "")),
        description=str(facts.get("description", "")),
        upper_bound=float(upper) if isinstance(upper, int | float) else None,
    )


_METRIC_ORDER = ("estoi", "pesq", "visqol", "si_snr", "wer", "dwer", "speaker_similarity", "dnsmos")


def metric_order(metric: MetricKey) -> tuple[int, str]:
    """Sort intelligibility and quality first, then unknown metrics by name."""
    base = metric.name.partition("@")[0]
    known = base in _METRIC_ORDER
    return (_METRIC_ORDER.index(base) if known else len(_METRIC_ORDER)), metric.name
