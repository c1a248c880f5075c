"""Figures of losses over training steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from matplotlib.lines import Line2D

from leaderboard.plots import MUTED, SERIES, chart, plain, to_svg

Points = tuple[tuple[int, float], ...]
MOST_POINTS = 120
TRANSIENT = 0.1


@dataclass(frozen=True)
class LearningCurve:
    """One trial's losses as (step, loss); `best` is the lowest validation loss.

    Curves of one `label` share a colour.
    """

    label: str
    train: Points
    valid: Points
    best: tuple[int, float] | None


def learning_chart(curves: Sequence[LearningCurve], thin: bool = True) -> str:
    """Draw trials' losses: train dashed, valid solid, its minimum and its last value marked.

    Training losses are averaged over equal numbers of steps where there are many. The axis spans
    what follows the first tenth of the steps, so that what is lost late can be seen.
    """
    labels = list(dict.fromkeys(curve.label for curve in curves))
    with chart(6.4, 3.5) as (figure, axes):
        figure.subplots_adjust(left=0.11, right=0.76, top=0.96, bottom=0.14)
        for curve in curves:
            _draw(axes, curve, SERIES[labels.index(curve.label) % len(SERIES)], thin)
        _limit(axes, curves)
        axes.set_xlabel("training step")
        axes.set_ylabel("loss")
        axes.legend(handles=_handles(labels), loc="center left", bbox_to_anchor=(1.01, 0.5))
        return to_svg(figure)


def _draw(axes: Any, curve: LearningCurve, color: str, thin: bool) -> None:
    width = 0.9 if thin else 1.3
    if curve.train:
        axes.plot(*zip(*binned(curve.train), strict=True), color=color, linewidth=width,
                  linestyle="--", alpha=0.75)  # fmt: skip
    if curve.valid:
        axes.plot(*zip(*curve.valid, strict=True), color=color, linewidth=width + 0.4)
        axes.plot(*curve.valid[-1], color=color, marker="s", markersize=4.5)
    if curve.best:
        axes.plot(*curve.best, color=color, marker="o", markersize=7.5, markerfacecolor="none",
                  markeredgewidth=1.4)  # fmt: skip


def binned(points: Points) -> list[tuple[float, float]]:
    """Average points over runs of equal length, at most `MOST_POINTS` of them."""
    count = min(MOST_POINTS, len(points))
    ends = [len(points) * i // count for i in range(count + 1)]
    runs = [points[start:end] for start, end in pairwise(ends)]
    return [(sum(s for s, _ in run) / len(run), sum(v for _, v in run) / len(run)) for run in runs]


def _limit(axes: Any, curves: Sequence[LearningCurve]) -> None:
    lines = [line for curve in curves for line in (tuple(binned(curve.train)), curve.valid) if line]
    late = [v for line in lines for s, v in line if s >= TRANSIENT * line[-1][0]]
    finite = [value for value in late if math.isfinite(value)]
    if finite and min(finite) < max(finite):
        low, high = min(finite), max(finite)
        axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))


def _handles(labels: Sequence[str]) -> list[Line2D]:
    colours = [
        Line2D([], [], color=SERIES[i % len(SERIES)], linewidth=2, label=plain(label))
        for i, label in enumerate(labels)
        if label
    ]
    ring: Any = {"marker": "o", "markersize": 7, "markerfacecolor": "none", "linestyle": "none"}
    return [
        *colours,
        Line2D([], [], color=MUTED, linewidth=1.5, label="valid"),
        Line2D([], [], color=MUTED, linewidth=1.1, linestyle="--", label="train"),
        Line2D([], [], color=MUTED, label="valid minimum", **ring),
        Line2D(
            [], [], color=MUTED, marker="s", markersize=4.5, linestyle="none", label="valid, last"
        ),
    ]
