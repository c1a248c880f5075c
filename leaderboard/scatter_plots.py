"""Figures of systems as points: two metrics against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.lines import Line2D

from leaderboard.label_places import place_labels
from leaderboard.plots import (
    INK,
    LEGEND_ROW,
    MARKERS,
    MUTED,
    SERIES,
    chart,
    legend_shape,
    plain,
    to_svg,
)


def scatter_chart(
    groups: Sequence[tuple[str, Sequence[float], Sequence[float]]], x: str, y: str
) -> str:
    """Draw systems as points; a method (label, xs, ys) without points keeps its colour unused."""
    with chart(5.2, 3.3) as (figure, axes):
        figure.subplots_adjust(left=0.12, right=0.7, top=0.96, bottom=0.16)
        for index, (label, xs, ys) in enumerate(groups):
            if xs:
                axes.plot(xs, ys, linestyle="none", markersize=5, alpha=0.85, label=plain(label),
                          **_style(index))  # fmt: skip
        axes.set_xlabel(plain(x))
        axes.set_ylabel(plain(y))
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=1)
        return to_svg(figure)


@dataclass(frozen=True)
class Mark:
    """A point with its intervals on both axes, as (low, high); NaN ends draw no bar.

    `group` is its colour's name in the legend, empty for a reference in grey. `hollow` tells one
    of two checkpoints. `rank` orders the front, best x first; None is not on it.
    """

    text: str
    group: str
    x: float
    y: float
    x_ends: tuple[float, float]
    y_ends: tuple[float, float]
    hollow: bool = False
    rank: int | None = None


def pareto_chart(marks: Sequence[Mark], groups: Sequence[str], x: str, y: str, y_up: bool) -> str:
    """Draw points with error bars, labelled, and the front as a step line towards worse x.

    `groups` fix the order of colours. `y_up` says whether y is better upwards: the front's line
    comes from the worse side of y.
    """
    handles = _legend(groups, marks)
    rows, columns = legend_shape([str(handle.get_label()) for handle in handles], 100)
    height = 4.6 + LEGEND_ROW * rows
    with chart(6.6, height) as (figure, axes):
        bottom = (0.53 + LEGEND_ROW * rows) / height
        figure.subplots_adjust(left=0.11, right=0.97, top=1 - 0.13 / height, bottom=bottom)
        for mark in marks:
            _draw(axes, mark, groups.index(mark.group) if mark.group else None)
        axes.margins(0.08)
        axes.autoscale_view()
        _draw_front(axes, [mark for mark in marks if mark.rank is not None], y_up)
        axes.set_xlabel(plain(x))
        axes.set_ylabel(plain(y))
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.02, 0), ncols=columns,
                    bbox_transform=figure.transFigure, handlelength=1.4)  # fmt: skip
        place_labels(axes, [(m.text, m.x, m.y, m.rank is not None) for m in marks if m.text])
        return to_svg(figure)


def _draw(axes: Any, mark: Mark, index: int | None) -> None:
    style = {"color": MUTED, "marker": "+"} if index is None else _style(index)
    leads = mark.rank is not None
    bars: Any = {"color": style["color"], "linewidth": 0.9, "alpha": 0.9 if leads else 0.3}
    if all(map(math.isfinite, mark.x_ends)):
        axes.hlines(mark.y, *mark.x_ends, **bars)
    if all(map(math.isfinite, mark.y_ends)):
        axes.vlines(mark.x, *mark.y_ends, **bars)
    fill = {"markerfacecolor": "none"} if mark.hollow else {}
    axes.plot(mark.x, mark.y, linestyle="none", markersize=6.5 if leads else 5,
              **style, **fill)  # fmt: skip


def _draw_front(axes: Any, front: Sequence[Mark], y_up: bool) -> None:
    ordered = sorted(front, key=lambda mark: mark.rank or 0)
    if not ordered:
        return
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    falling = len(ordered) > 1 and ordered[0].x > ordered[-1].x
    xs = [ordered[0].x, *(mark.x for mark in ordered), left if falling else right]
    ys = [low if y_up else high, *(mark.y for mark in ordered), ordered[-1].y]
    axes.step(xs, ys, where="post", color=INK, linewidth=1.8, alpha=0.8, zorder=1)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)


def _legend(groups: Sequence[str], marks: Sequence[Mark]) -> list[Line2D]:
    handles = [
        Line2D([], [], linestyle="none", markersize=5.5, label=plain(group), **_style(index))
        for index, group in enumerate(groups)
    ]
    if len({mark.hollow for mark in marks if mark.group}) > 1:
        common: Any = {"color": MUTED, "marker": "o", "markersize": 5.5, "linestyle": "none"}
        handles.append(Line2D([], [], label="last checkpoint", **common))
        handles.append(Line2D([], [], label="best checkpoint", markerfacecolor="none", **common))
    if any(not mark.group for mark in marks):
        handles.append(Line2D([], [], color=MUTED, marker="+", linestyle="none", label="anchor"))
    return [*handles, Line2D([], [], color=INK, linewidth=1.8, label="front")]


def _style(index: int) -> dict[str, Any]:
    # The ninth method has the first one's colour, so it must not have its marker.
    shape = (index + index // len(SERIES)) % len(MARKERS)
    return {"color": SERIES[index % len(SERIES)], "marker": MARKERS[shape]}
