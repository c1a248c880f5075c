"""The curves page: scores over NFE and over hours of training data."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.board import Board
from leaderboard.compare import estimate
from leaderboard.figures import FigureFile, alt_text, axis_label, direction
from leaderboard.metric_keys import MetricKey
from leaderboard.plots import Axis, Series, line_chart, write_themed
from leaderboard.slugs import slug, unique_slug
from leaderboard.statistics import Estimate
from leaderboard.systems import System

LEVELS = ("prequantized", "codec", "coarse")


@dataclass(frozen=True)
class CurveSection:
    """The figures of one split."""

    split: str
    anchor_id: str
    nfe: tuple[FigureFile, ...]
    data: tuple[FigureFile, ...]


def curve_sections(board: Board, chosen: Sequence[System], plots: Path) -> list[CurveSection]:
    """Draw every split's NFE and data-size curves into `plots`."""
    sections = []
    for split in board.splits:
        nfe: list[FigureFile] = []
        data: list[FigureFile] = []
        for metric in board.metrics_of(split):
            nfe += _nfe_figures(board, split, metric, plots)
            data += _data_figures(board, split, metric, chosen, plots)
        sections.append(CurveSection(split, slug(split), tuple(nfe), tuple(data)))
    return sections


def _nfe_figures(board: Board, split: str, metric: MetricKey, plots: Path) -> list[FigureFile]:
    sweeps: dict[tuple[str, str], dict[str, list[System]]] = defaultdict(lambda: defaultdict(list))
    for system in board.systems_of(split):
        if system.trial:
            at = (board.title(system), system.codec)
            sweeps[at][_line_label(board, system)].append(system)
    figures = []
    for (label, codec), lines in sweeps.items():
        series = [
            line
            for name, systems in lines.items()
            if len((line := _series(name, systems, split, metric, over_nfe=True)).x) > 1
        ]
        if series:
            title = f"{metric.label} of {label} over NFE"
            axis = Axis("NFE (network calls)", log=True)
            prefix = f"nfe-{unique_slug(label)}"
            levels = _levels(board, split, metric, codec)
            figures.append(_figure(split, metric, series, levels, plots, prefix, title, axis))
    return figures


def _data_figures(
    board: Board, split: str, metric: MetricKey, chosen: Sequence[System], plots: Path
) -> list[FigureFile]:
    figures = []
    for codec in board.codecs:
        lines: dict[str, list[System]] = defaultdict(list)
        for system in chosen:
            if split in system.evaluations and system.codec == codec:
                lines[", ".join((system.label, *_repetition(board, system)))].append(system)
        series = [
            line
            for name, systems in lines.items()
            if (line := _series(name, systems, split, metric, over_nfe=False)).x
        ]
        if series and max(len(line.x) for line in series) > 1:
            apart = f"{metric.label} on {codec}" if board.several_codecs else metric.label
            prefix = f"data-{unique_slug(codec)}" if board.several_codecs else "data"
            title = f"{apart} over hours of training audio"
            axis = Axis("hours of training audio", log=True)
            levels = _levels(board, split, metric, codec)
            figures.append(_figure(split, metric, series, levels, plots, prefix, title, axis))
    return figures


def _series(
    name: str, systems: Sequence[System], split: str, metric: MetricKey, over_nfe: bool
) -> Series:
    points: list[tuple[float, Estimate]] = []
    for system in systems:
        scores = system.scores_of(split, metric)
        value = estimate(scores, metric) if scores else None
        if value and math.isfinite(value.mean):
            hours = system.any.data_size.hours if system.any.data_size else 0.0
            points.append((float(system.any.nfe) if over_nfe else hours, value))
    points.sort(key=lambda point: point[0])
    return Series(
        name,
        tuple(x for x, _ in points),
        tuple(value.mean for _, value in points),
        tuple(value.low for _, value in points),
        tuple(value.high for _, value in points),
    )


def _figure(
    split: str,
    metric: MetricKey,
    series: Sequence[Series],
    levels: Sequence[tuple[str, float]],
    plots: Path,
    prefix: str,
    title: str,
    axis: Axis,
) -> FigureFile:
    name = f"{prefix}-{unique_slug(split)}-{unique_slug(metric.name)}"
    write_themed(line_chart(series, levels, axis, axis_label(metric)), plots, name)
    alt = alt_text(f"{title}, split {split}, {direction(metric)}", series, 3, levels)
    return FigureFile(name, f"{title} ({direction(metric)})", alt)


def _levels(board: Board, split: str, metric: MetricKey, codec: str) -> list[tuple[str, float]]:
    """Return the anchors of one codec that bound the scale."""
    levels = []
    for name in LEVELS:
        system = board.anchor(name, split, codec)
        scores = system.scores_of(split, metric) if system else None
        value = estimate(scores, metric) if scores else None
        if value and math.isfinite(value.mean):
            levels.append((name, value.mean))
    return levels


def _line_label(board: Board, system: System) -> str:
    layers = system.any.layers
    parts = [f"{system.data_label} of data"]
    parts += [f"{layers} layers"] if layers is not None else []
    return ", ".join((*parts, *_repetition(board, system)))


def _repetition(board: Board, system: System) -> list[str]:
    """Name the seed and sample of a system, where the board holds several."""
    trained = [other.any for other in board.systems if other.trial]
    facts = system.any
    parts = [f"seed {facts.seed}"] if len({other.seed for other in trained}) > 1 else []
    parts += [f"sample {facts.sample}"] if len({other.sample for other in trained}) > 1 else []
    return parts
