"""What the curves share: lines with intervals, levels of anchors, names of lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from leaderboard.board import Board
from leaderboard.compare import estimate
from leaderboard.figures import FigureFile, alt_text, axis_label, direction
from leaderboard.metric_keys import MetricKey
from leaderboard.plots import Axis, Series, line_chart, write_themed
from leaderboard.slugs import unique_slug
from leaderboard.statistics import Estimate
from leaderboard.systems import System

LEVELS = ("prequantized", "codec", "coarse")


def line(
    name: str,
    systems: Sequence[tuple[float, System]],
    split: str,
    metric: MetricKey,
    reference: bool = False,
    group: str = "",
) -> Series:
    """Return systems' (x, system) finite estimates as one line over x (see `Series`)."""
    points: list[tuple[float, Estimate]] = []
    for x, system in systems:
        scores = system.scores_of(split, metric)
        value = estimate(scores, metric) if scores else None
        if value and math.isfinite(value.mean):
            points.append((float(x), value))
    points.sort(key=lambda point: point[0])
    return Series(
        name,
        tuple(x for x, _ in points),
        tuple(value.mean for _, value in points),
        tuple(value.low for _, value in points),
        tuple(value.high for _, value in points),
        reference,
        group,
    )


def levels_of(
    board: Board, split: str, metric: MetricKey, codec: str, names: Sequence[str] = LEVELS
) -> list[tuple[str, float]]:
    """Return the anchors of one codec that bound the scale."""
    levels = []
    for name in names:
        system = board.anchor(name, split, codec)
        scores = system.scores_of(split, metric) if system else None
        value = estimate(scores, metric) if scores else None
        if value and math.isfinite(value.mean):
            levels.append((name, value.mean))
    return levels


def curve_figure(
    split: str,
    metric: MetricKey,
    series: Sequence[Series],
    levels: Sequence[tuple[str, float]],
    plots: Path,
    prefix: str,
    title: str,
    axis: Axis,
) -> FigureFile:
    """Draw lines and levels of one metric on one split."""
    name = f"{prefix}-{unique_slug(split)}-{unique_slug(metric.name)}"
    write_themed(line_chart(series, levels, axis, axis_label(metric)), plots, name)
    alt = alt_text(f"{title}, split {split}, {direction(metric)}", series, 3, levels)
    return FigureFile(name, f"{title} ({direction(metric)})", alt)


def repetition(board: Board, system: System) -> list[str]:
    """Name the seed and sample of a system, where the board holds several."""
    trained = [other.any for other in board.trained]
    facts = system.any
    parts = [f"seed {facts.seed}"] if len({other.seed for other in trained}) > 1 else []
    parts += [f"sample {facts.sample}"] if len({other.sample for other in trained}) > 1 else []
    return parts
