"""The correlations page: each objective metric against each predicted MOS, over systems."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.board import Board
from leaderboard.compare import estimate
from leaderboard.correlation import Correlation, correlations
from leaderboard.figures import FigureFile
from leaderboard.metric_keys import MetricKey
from leaderboard.plots import write_themed
from leaderboard.scatter_plots import scatter_chart
from leaderboard.slugs import slug, unique_slug
from leaderboard.systems import System

MIN_SYSTEMS = 3


@dataclass(frozen=True)
class Line:
    """One objective metric against one predicted MOS; no coefficients below three systems."""

    metric: MetricKey
    target: MetricKey
    systems: int
    methods: int
    infinite: int
    coefficients: tuple[Correlation, ...]


@dataclass(frozen=True)
class CorrelationSection:
    """One split: over all systems, and over methods alone (anchors span the scale by design)."""

    split: str
    anchor_id: str
    everything: tuple[Line, ...]
    methods: tuple[Line, ...]
    figures: tuple[FigureFile, ...]


@dataclass(frozen=True)
class _Point:
    system: System
    x: float
    y: float


def correlation_sections(board: Board, plots: Path) -> list[CorrelationSection]:
    """Correlate on every split that has a predicted MOS, and draw the scatter plots."""
    sections = []
    for split in board.splits:
        metrics = board.metrics_of(split)
        pairs = [
            (m, target)
            for target in metrics
            if target.predicted
            for m in metrics
            if not m.predicted
        ]
        found = [(m, target, _points(board, split, m, target)) for m, target in pairs]
        if found:
            figures = [_figure(split, m, target, points, plots) for m, target, points in found]
            sections.append(
                CorrelationSection(
                    split,
                    slug(split),
                    tuple(_line(m, target, points) for m, target, points in found),
                    tuple(
                        _line(m, t, [p for p in ps if not p.system.anchor]) for m, t, ps in found
                    ),
                    tuple(figure for figure in figures if figure),
                )
            )
    return sections


def _points(board: Board, split: str, metric: MetricKey, target: MetricKey) -> list[_Point]:
    points = []
    for system in board.systems_of(split):
        a, b = system.scores_of(split, metric), system.scores_of(split, target)
        x = estimate(a, metric) if a else None
        y = estimate(b, target) if b else None
        if x and y:
            points.append(_Point(system, x.mean, y.mean))
    return points


def _line(metric: MetricKey, target: MetricKey, points: Sequence[_Point]) -> Line:
    usable = _finite(points)
    clusters = [_method(point.system) for point in usable]
    x, y = [point.x for point in usable], [point.y for point in usable]
    enough = len(usable) >= MIN_SYSTEMS
    coefficients = tuple(correlations(x, y, clusters)) if enough else ()
    infinite = len(points) - len(usable)
    return Line(metric, target, len(usable), len(set(clusters)), infinite, coefficients)


def _method(system: System) -> str:
    """Name what the bootstrap draws as one: bit rates, layers, checkpoints are not independent."""
    return system.any.method.name if system.anchor else system.family


def _figure(
    split: str, metric: MetricKey, target: MetricKey, points: Sequence[_Point], plots: Path
) -> FigureFile | None:
    usable = _finite(points)
    if len(usable) < MIN_SYSTEMS:
        return None
    # Methods without a finite point keep their place, so that colours agree between figures.
    groups: dict[str, list[_Point]] = {_method(point.system): [] for point in points}
    for point in usable:
        groups[_method(point.system)].append(point)
    name = f"scatter-{unique_slug(split)}-{unique_slug(metric.name)}-{unique_slug(target.name)}"
    drawn = [(g, [p.x for p in ps], [p.y for p in ps]) for g, ps in groups.items()]
    write_themed(scatter_chart(drawn, f"{metric.label} ({metric.unit})", target.label), plots, name)
    alt = "; ".join(f"{p.system.slug}: {p.x:.3f}, {p.y:.3f}" for p in usable)
    caption = f"{target.label} against {metric.label}, one point per system"
    return FigureFile(name, caption, f"{caption}, split {split}. {alt}.")


def _finite(points: Sequence[_Point]) -> list[_Point]:
    return [point for point in points if math.isfinite(point.x) and math.isfinite(point.y)]
