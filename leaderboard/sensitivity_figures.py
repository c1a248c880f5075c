"""The sensitivity study's figures: losses at a glance, and each metric over every level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from leaderboard.cells import DASH, decimals, number
from leaderboard.compare import estimate
from leaderboard.figures import FigureFile, alt_text, axis_label, direction
from leaderboard.metric_keys import MetricKey
from leaderboard.plots import INK, MUTED, SERIES, STYLE, Series, plain, to_svg, write_themed
from leaderboard.sensitivity import Graded
from leaderboard.sensitivity_tests import Response
from leaderboard.slugs import unique_slug
from leaderboard.statistics import Estimate
from leaderboard.systems import System

COLUMNS = 3
PANEL = (2.1, 1.6)  # inches


def metric_figure(
    copy: System, found: Sequence[Graded], split: str, metric: MetricKey, plots: Path
) -> FigureFile | None:
    """Draw a metric over the levels of every artefact; None where nothing finite is scored."""
    lines = [_line(graded, split, metric) for graded in found]
    if not any(line.x for line in lines):
        return None
    reference = _value(copy, split, metric)
    name = f"sensitivity-{unique_slug(split)}-{unique_slug(metric.name)}"
    write_themed(_panels(found, lines, reference, metric), plots, name)
    title = f"{metric.label} over the level of each artefact, mild to severe"
    own = _reference_words(reference)
    named = [
        Series(f"{graded.title} ({graded.kind.unit})", _levels(graded, line), line.y)
        for graded, line in zip(found, lines, strict=True)
    ]
    finite = reference is not None and math.isfinite(reference.mean)
    levels = [("the reference itself", reference.mean)] if reference and finite else []
    alt = alt_text(f"{title}, split {split}, {direction(metric)}", named, decimals(metric), levels)
    caption = f"{title} ({direction(metric)}; bars and the grey band are 95 % intervals){own}"
    return FigureFile(name, caption, alt)


def loss_figure(rows: Sequence[Sequence[Response]], split: str, plots: Path) -> FigureFile | None:
    """Draw each artefact's loss at its most severe level by each metric; None without a codec.

    A loss is in units of the codec's at its lowest bit rate, so that metrics compare.
    """
    if not any(response.relative for row in rows for response in row):
        return None
    name = f"sensitivity-{unique_slug(split)}-losses"
    write_themed(_tiles(rows), plots, name)
    title = (
        "Change at the most severe level, in units of the codec’s at its lowest bit rate "
        "(1: as bad; 0: no change; below 0: better than the reference)"
    )
    words = [
        f"{row[0].graded.title}: "
        + ", ".join(f"{r.metric.label} {r.relative[0]:.2f}" for r in row if r.relative)
        for row in rows
    ]
    return FigureFile(name, title, f"{title}, split {split}. {'; '.join(words)}.")


def _tiles(rows: Sequence[Sequence[Response]]) -> str:
    """Draw a tile per artefact and metric, the darker the larger the change."""
    with matplotlib.rc_context(STYLE | {"axes.grid": False, "font.size": 7.5}):
        figure = Figure(figsize=(1.6 + 0.62 * len(rows[0]), 1.1 + 0.24 * len(rows)),
                        layout="constrained")  # fmt: skip
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for y, row in enumerate(rows):
            for x, response in enumerate(row):
                _tile(axes, x, y, response)
        axes.set_xlim(-0.5, len(rows[0]) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.xaxis.tick_top()
        labels = [plain(response.metric.label) for response in rows[0]]
        axes.set_xticks(range(len(labels)), labels, rotation=35, ha="left",
                        rotation_mode="anchor")  # fmt: skip
        axes.set_yticks(range(len(rows)), [plain(row[0].graded.title) for row in rows])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return to_svg(figure)


def _tile(axes: Any, x: int, y: int, response: Response) -> None:
    change = response.relative
    if change is None:
        axes.text(x, y, DASH, ha="center", va="center", color=MUTED)
        return
    color = SERIES[1] if change[0] > 0 else SERIES[2]
    shade = 0.75 * min(1.0, abs(change[0]))
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=color, alpha=shade,
                             linewidth=0))  # fmt: skip
    axes.text(x, y, number(change[0], 2), ha="center", va="center", color=INK)


def _reference_words(reference: Estimate | None) -> str:
    if reference and math.isinf(reference.mean):
        return ". The reference’s own value is infinite, and is not drawn"
    return "" if reference else ". The reference itself has no score"


def _value(system: System, split: str, metric: MetricKey) -> Estimate | None:
    scores = system.scores_of(split, metric)
    return estimate(scores, metric) if scores else None


def _line(graded: Graded, split: str, metric: MetricKey) -> Series:
    """Return a panel's finite values over the levels' places."""
    values = [_value(system, split, metric) for system in graded.systems]
    kept = [(place, v) for place, v in enumerate(values) if v and math.isfinite(v.mean)]
    return Series(
        graded.title,
        tuple(float(place) for place, _ in kept),
        tuple(value.mean for _, value in kept),
        tuple(value.low for _, value in kept),
        tuple(value.high for _, value in kept),
    )


def _levels(graded: Graded, line: Series) -> tuple[float, ...]:
    return tuple(graded.levels[int(place)] for place in line.x)


def _panels(
    found: Sequence[Graded], lines: Sequence[Series], reference: Estimate | None, metric: MetricKey
) -> str:
    rows = math.ceil(len(found) / COLUMNS)
    with matplotlib.rc_context(STYLE | {"font.size": 7.5}):
        size = (PANEL[0] * COLUMNS, PANEL[1] * rows + 0.2)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        grid = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).ravel()
        for axes, graded, line in zip(grid, found, lines, strict=False):
            _panel(axes, graded, line, reference)
        for axes in grid[len(found) :]:
            axes.set_axis_off()
        figure.supylabel(plain(axis_label(metric)), fontsize=8, color=MUTED)
        return to_svg(figure)


def _panel(axes: Any, graded: Graded, line: Series, reference: Estimate | None) -> None:
    if reference and math.isfinite(reference.mean):
        axes.axhline(reference.mean, color=MUTED, linewidth=1, linestyle="--")
        if math.isfinite(reference.low):
            axes.axhspan(reference.low, reference.high, color=MUTED, alpha=0.13, linewidth=0)
    axes.plot(line.x, line.y, color=SERIES[0], marker="o", markersize=3, linewidth=1.2)
    for at, low, high in zip(line.x, line.low, line.high, strict=True):
        if math.isfinite(low) and math.isfinite(high):
            axes.vlines(at, low, high, color=SERIES[0], linewidth=1.2)
    axes.set_xlim(-0.5, len(graded.levels) - 0.5)
    axes.set_xticks(range(len(graded.levels)), [f"{level:g}" for level in graded.levels])
    axes.set_title(plain(graded.title), fontsize=8)
    axes.set_xlabel(plain(graded.kind.unit), fontsize=7)
