"""The figures of the requantization study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from leaderboard.board import Board
from leaderboard.compare import estimate
from leaderboard.figures import FigureFile, alt_text, axis_label, direction
from leaderboard.metric_keys import MetricKey
from leaderboard.plots import Axis, Series, line_chart, point_chart, write_themed
from leaderboard.slugs import unique_slug
from leaderboard.statistics import Estimate
from leaderboard.study import Arm, Group, Refitted, StudySeries
from leaderboard.systems import System

ERROR = "quantization error (dB relative to z's variance)"


def error_figure(arm: Arm, refitted: Sequence[Refitted], plots: Path) -> FigureFile:
    """Draw quantization error over the number of codebooks, one line per K."""
    lines = []
    for entry in refitted:
        errors = entry.refit.error_db
        lines.append(Series(_k(entry.entries), tuple(range(1, len(errors) + 1)), errors))
    name = f"codebooks-error-{arm.anchor_id}"
    write_themed(line_chart(lines, [], Axis("codebooks n"), ERROR), plots, name)
    title = f"Quantization error over n codebooks, {arm.title}"
    return FigureFile(name, f"{title} (lower is finer)", alt_text(title, lines, 2))


def reconstruction(
    board: Board, refitted: Refitted, split: str, metric: MetricKey
) -> list[tuple[int, System, Estimate]]:
    """Return (n, system, value) of a refit's true codes decoded from the first n on, once per n."""
    found: dict[int, tuple[int, System, Estimate]] = {}
    for system in board.systems_of(split):
        own = system.anchor and system.any.method.name == "codec"
        if own and system.codec in refitted.codecs:
            count = system.any.layers or system.any.codec.codebooks
            scores = system.scores_of(split, metric)
            value = estimate(scores, metric) if scores else None
            if value and math.isfinite(value.mean):
                found.setdefault(count, (count, system, value))
    return [found[count] for count in sorted(found)]


def reconstruction_figure(
    board: Board, arm: Arm, refitted: Sequence[Refitted], split: str, metric: MetricKey, plots: Path
) -> FigureFile | None:
    """Draw reconstruction over the number of codes, one line per K; None with a single number."""
    lines = []
    for entry in refitted:
        points = reconstruction(board, entry, split, metric)
        if points:
            at = tuple(float(count) for count, _, _ in points)
            lines.append(_series(_k(entry.entries), at, [value for *_, value in points]))
    if not lines or max(len(line.x) for line in lines) < 2:
        return None
    name = f"codebooks-codes-{arm.anchor_id}-{unique_slug(split)}-{unique_slug(metric.name)}"
    write_themed(line_chart(lines, [], Axis("codes decoded"), axis_label(metric)), plots, name)
    title = f"{metric.label} of reconstructions from the first n codes, {arm.title}"
    alt = alt_text(f"{title}, split {split}, {direction(metric)}", lines, 3)
    return FigureFile(name, f"{title} ({direction(metric)})", alt)


def study_figure(group: Group, split: str, metric: MetricKey, plots: Path) -> FigureFile | None:
    """Draw score over quantization error, one series per method, K above the plot."""
    lines: list[Series] = []
    marks: dict[float, str] = {}
    for series in group.series:
        line = _study_series(series, split, metric)
        if line.x:
            lines.append(line)
            marks |= {point.error_db: str(point.entries) for point in series.points}
    if not lines:
        return None
    arm, count = group.arm, group.codebooks
    name = f"codebooks-study-{arm.anchor_id}-n{count}-{unique_slug(split)}"
    name = f"{name}-{unique_slug(metric.name)}"
    levels = [(f"K = {entries}", error) for error, entries in sorted(marks.items())]
    svg = point_chart(lines, [], [(at, text) for text, at in levels], ERROR, axis_label(metric))
    write_themed(svg, plots, name)
    title = f"{metric.label} over quantization error, {arm.title}, N = {count}"
    where = ", ".join(f"{text} at {at:.2f} dB" for text, at in levels)
    alt = alt_text(f"{title}, split {split}, {direction(metric)}; {where}", lines, 3)
    return FigureFile(name, f"{title} ({direction(metric)}; bars are 95 % intervals)", alt)


def _study_series(series: StudySeries, split: str, metric: MetricKey) -> Series:
    at: list[tuple[float, Estimate]] = []
    for point in series.points:
        scores = point.system.scores_of(split, metric)
        value = estimate(scores, metric) if scores else None
        if value and math.isfinite(value.mean):
            at.append((point.error_db, value))
    at.sort(key=lambda entry: entry[0])
    return _series(series.label, tuple(x for x, _ in at), [value for _, value in at])


def _series(label: str, at: tuple[float, ...], values: Sequence[Estimate]) -> Series:
    return Series(
        label,
        at,
        tuple(value.mean for value in values),
        tuple(value.low for value in values),
        tuple(value.high for value in values),
    )


def _k(entries: int) -> str:
    return f"K = {entries}"
