"""The page of codecs: their facts, and what each bit rate buys with nothing resynthesised."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from harness.records import CodecFacts
from leaderboard.board import Board
from leaderboard.compare import estimate
from leaderboard.figures import FigureFile, alt_text, axis_label, direction
from leaderboard.metric_keys import MetricKey
from leaderboard.plots import Axis, Series, line_chart, write_themed
from leaderboard.slugs import slug, unique_slug
from leaderboard.statistics import Estimate


@dataclass(frozen=True)
class CodecRow:
    """One codec as the table shows it; `systems` counts the board's systems of it."""

    name: str
    facts: CodecFacts
    systems: int


@dataclass(frozen=True)
class RateSection:
    """The rate-distortion figures of one split."""

    split: str
    anchor_id: str
    figures: tuple[FigureFile, ...]


def codec_rows(board: Board) -> list[CodecRow]:
    """Return the board's codecs, in the runs' order."""
    own = [system for system in board.systems if not system.codec_free]
    return [
        CodecRow(name, facts, sum(system.codec == name for system in own))
        for name, facts in board.codecs.items()
    ]


def rate_sections(board: Board, plots: Path) -> list[RateSection]:
    """Draw reconstruction over bit rate where a codec was decoded at two rates, or Opus was."""
    sections = []
    for split in board.splits:
        found = (_figure(board, split, metric, plots) for metric in board.metrics_of(split))
        figures = tuple(figure for figure in found if figure)
        if figures:
            sections.append(RateSection(split, slug(split), figures))
    return sections


def _figure(board: Board, split: str, metric: MetricKey, plots: Path) -> FigureFile | None:
    lines: dict[str, list[tuple[float, Estimate]]] = defaultdict(list)
    for system in board.systems_of(split):
        name = system.any.method.name
        # Refitted codebooks have a page of their own.
        if system.anchor and name in ("codec", "opus") and not system.any.codec.refit:
            scores = system.scores_of(split, metric)
            value = estimate(scores, metric) if scores else None
            if value and math.isfinite(value.mean):
                label = system.codec if name == "codec" else name
                lines[label].append((system.bit_rate / 1000, value))
    series = [_series(label, points) for label, points in lines.items()]
    if not series or max(len(line.x) for line in series) < 2:
        return None
    title = f"{metric.label} of reconstructions over bit rate"
    name = f"rate-{unique_slug(split)}-{unique_slug(metric.name)}"
    axis = Axis("bit rate (kb/s)", log=True)
    write_themed(line_chart(series, [], axis, axis_label(metric)), plots, name)
    alt = alt_text(f"{title}, split {split}, {direction(metric)}", series, 3)
    return FigureFile(name, f"{title} ({direction(metric)})", alt)


def _series(label: str, points: list[tuple[float, Estimate]]) -> Series:
    points = sorted(points, key=lambda point: point[0])
    return Series(
        label,
        tuple(rate for rate, _ in points),
        tuple(value.mean for _, value in points),
        tuple(value.low for _, value in points),
        tuple(value.high for _, value in points),
    )
