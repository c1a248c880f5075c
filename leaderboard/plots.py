"""Figures as SVG: reproducible byte for byte, each in a light and a dark edition.

Pages show them through <picture> with a media query, so no page script or style is involved.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

INK, MUTED, GRID = "#1d2430", "#5b6472", "#dfe3e8"
# Okabe and Ito's colours, darkened on white and lightened on black to at least 3:1.
SERIES = ("#0067a5", "#b34a00", "#00795a", "#8a3d7e", "#7a6200", "#4d4d99", "#a8324a", "#33691e")
DARK = {
    INK: "#e8ebf0", MUTED: "#a3adbb", GRID: "#333b47",
    "#0067a5": "#5cb6f2", "#b34a00": "#f39a5b", "#00795a": "#3fcda3", "#8a3d7e": "#dc93cf",
    "#7a6200": "#dcc04a", "#4d4d99": "#a9a9f0", "#a8324a": "#f38a9e", "#33691e": "#9ccc65",
}  # fmt: skip
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)), (0, (8, 2)))
MARKERS = "osD^vPX*"
LEGEND_ROW = 0.19  # inches
STYLE: Any = {
    "svg.hashsalt": "resynth",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


@dataclass(frozen=True)
class Series:
    """One line with its interval band; NaN in `low` or `high` draws no band there.

    Lines of one `group` (by default a line is its own) share a colour and a place in the legend.
    A `reference` is drawn in grey: what the others are held against.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    reference: bool = False
    group: str = ""

    @property
    def key(self) -> str:
        """What the legend calls it."""
        return self.group or self.label


@dataclass(frozen=True)
class Axis:
    """A label, and whether the axis is logarithmic with a tick at every value."""

    label: str
    log: bool = False


def line_chart(
    series: Sequence[Series], levels: Sequence[tuple[str, float]], x: Axis, y: str
) -> str:
    """Draw lines with bands, and horizontal levels (the anchors), as SVG text."""
    keys = list(dict.fromkeys(line.key for line in series))
    names = [*keys, *(label for label, _ in levels)]
    beside = max(map(len, names)) <= 20 and len(names) <= 12
    rows, columns = (0, 1) if beside else legend_shape(names, 84)
    height = 3.3 + LEGEND_ROW * rows
    with chart(5.6, height) as (figure, axes):
        right = 0.97 if rows else 0.7
        bottom = (0.53 + LEGEND_ROW * rows) / height
        figure.subplots_adjust(left=0.13, right=right, top=1 - 0.13 / height, bottom=bottom)
        for place, line in enumerate(series):
            first = all(line.key != other.key for other in series[:place])
            _draw(axes, line, keys.index(line.key), first)
        _draw_levels(axes, levels)
        _finish(axes, series, x, y)
        if rows:
            axes.legend(loc="lower left", bbox_to_anchor=(0.02, 0), ncols=columns,
                        bbox_transform=figure.transFigure, handlelength=2.4)  # fmt: skip
        else:
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=2.4)
        return to_svg(figure)


def legend_shape(labels: Sequence[str], width: int) -> tuple[int, int]:
    """Return the rows and columns of a legend below a plot that is `width` letters wide."""
    columns = max(1, width // (max(map(len, labels)) + 7))
    return math.ceil(len(labels) / columns), columns


def point_chart(
    series: Sequence[Series],
    levels: Sequence[tuple[str, float]],
    marks: Sequence[tuple[float, str]],
    x: str,
    y: str,
) -> str:
    """Draw points with error bars, joined by thin lines, and horizontal levels.

    `marks` (x, label) name places on the x axis, above the plot; a NaN bound draws no bar.
    """
    with chart(6.4, 3.7) as (figure, axes):
        figure.subplots_adjust(left=0.12, right=0.68, top=0.89, bottom=0.15)
        for index, line in enumerate(series):
            _draw_points(axes, line, index)
        _draw_levels(axes, levels)
        for at, label in marks:
            axes.annotate(plain(label), (at, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
                          textcoords="offset points", ha="center", va="bottom", fontsize=8,
                          color=MUTED)  # fmt: skip
        axes.set_xlabel(plain(x))
        axes.set_ylabel(plain(y))
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=2.4)
        return to_svg(figure)


def write_themed(svg: str, folder: Path, name: str) -> None:
    """Write NAME.svg and its dark edition NAME-dark.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    for light, dark in DARK.items():
        svg = svg.replace(light, dark)
    (folder / f"{name}-dark.svg").write_text(svg, encoding="utf-8")


@contextmanager
def chart(width: float, height: float) -> Iterator[tuple[Figure, Any]]:
    """Yield a figure of so many inches, in the site's style, and its axes."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        FigureCanvasSVG(figure)
        yield figure, figure.add_subplot()


def _draw_levels(axes: Any, levels: Sequence[tuple[str, float]]) -> None:
    for index, (label, value) in enumerate(levels):
        axes.axhline(value, color=MUTED, linewidth=1, linestyle=DASHES[1 + index % 3],
                     label=plain(label))  # fmt: skip


def _draw(axes: Any, line: Series, index: int, named: bool) -> None:
    color = MUTED if line.reference else SERIES[index % len(SERIES)]
    axes.plot(
        line.x,
        line.y,
        color=color,
        # The ninth line has the first one's colour, so it must not have its dashes.
        linestyle=DASHES[(index + index // len(SERIES)) % len(DASHES)],
        linewidth=1.5,
        marker=MARKERS[index % len(MARKERS)],
        markersize=4.5,
        label=plain(line.key) if named else None,
    )
    bounded = [
        (x, low, high)
        for x, low, high in zip(line.x, line.low, line.high, strict=False)
        if math.isfinite(low) and math.isfinite(high)
    ]
    if len(bounded) > 1:
        axes.fill_between(*zip(*bounded, strict=True), color=color, alpha=0.13, linewidth=0)
    elif bounded:
        axes.vlines(*bounded[0], color=color, linewidth=1)


def _draw_points(axes: Any, line: Series, index: int) -> None:
    color = SERIES[index % len(SERIES)]
    style = {"color": color, "marker": MARKERS[index % len(MARKERS)], "markersize": 5}
    axes.plot(line.x, line.y, linestyle=DASHES[(index + index // len(SERIES)) % len(DASHES)],
              linewidth=1, label=plain(line.label), **style)  # fmt: skip
    for at, low, high in zip(line.x, line.low, line.high, strict=True):
        if math.isfinite(low) and math.isfinite(high):
            axes.vlines(at, low, high, color=color, linewidth=1.2)
            axes.plot([at, at], [low, high], linestyle="none", marker="_", markersize=5,
                      color=color)  # fmt: skip


def plain(label: str) -> str:
    """Return a label matplotlib draws as it is: no mathtext, no controls, no leading underscore."""
    shown = "".join(letter if letter.isprintable() else " " for letter in label)
    return shown.replace("$", r"\$").lstrip("_") or "unnamed"


def _finish(axes: Any, series: Sequence[Series], x: Axis, y: str) -> None:
    if x.log:
        axes.set_xscale("log", base=2)
        ticks = sorted({value for line in series for value in line.x})
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.set_xlabel(x.label)
    axes.set_ylabel(plain(y))


def to_svg(figure: Figure) -> str:
    """Return a figure as SVG text."""
    target = io.StringIO()
    figure.savefig(target, format="svg", transparent=True, metadata={"Date": None})
    return target.getvalue()
