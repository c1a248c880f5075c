"""What a figure in the site is: two files, a caption and its values as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.metric_keys import MetricKey
from leaderboard.plots import Series


@dataclass(frozen=True)
class FigureFile:
    """A figure in site/plots: NAME.svg and NAME-dark.svg, with a caption and alternative text."""

    name: str
    caption: str
    alt: str


def direction(metric: MetricKey) -> str:
    """Return which way a metric is better, in words."""
    return "higher is better" if metric.higher_is_better else "lower is better"


def axis_label(metric: MetricKey) -> str:
    """Return a metric's label with its unit, unless the label says it."""
    return metric.label if metric.unit in metric.label else f"{metric.label} ({metric.unit})"


def alt_text(
    title: str, series: Sequence[Series], digits: int, levels: Sequence[tuple[str, float]] = ()
) -> str:
    """Write a figure's title, and the values of its lines and levels."""
    lines = [
        f"{line.label}: "
        + ", ".join(f"{y:.{digits}f} at {x:.3g}" for x, y in zip(line.x, line.y, strict=True))
        for line in series
    ]
    lines += [f"{name}: {value:.{digits}f}" for name, value in levels]
    return f"{title}. {'; '.join(lines)}."
