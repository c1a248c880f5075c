"""Which metrics a command scores by."""

from __future__ import annotations

from harness.errors import UserError
from metrics import registry
from metrics.base import MetricError

OF_AUDIO = ("reference", "no reference", "transcript")


def metric_names(text: str | None) -> list[str]:
    """Return the metrics of --metrics a,b, or all of audio that come installed."""
    if text is not None:
        names = list(dict.fromkeys(name.strip() for name in text.split(",")))
        if not all(names):
            raise UserError(f"--metrics {text}: write it as names separated by commas")
        return names
    try:
        found = registry.discover()
    except MetricError as error:
        raise UserError(str(error)) from error
    return [
        n for n, metric in found.items() if metric.facts.kind in OF_AUDIO and not metric.optional
    ]
