"""The Pareto page: content against quality, the front, and what of it is shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.board import Board
from leaderboard.cells import Cell, score_cell
from leaderboard.figures import FigureFile, axis_label, direction
from leaderboard.metric_keys import MetricKey
from leaderboard.parents import ParentContrast, has_hybrid, parent_contrasts
from leaderboard.pareto import Axes, Front, Point, Versus, axis_pairs, competitors, pareto, point
from leaderboard.plots import write_themed
from leaderboard.scatter_plots import Mark, pareto_chart
from leaderboard.slugs import slug, unique_slug
from leaderboard.systems import System

REFERENCES = ("prequantized", "codec", "coarse")
MOST_LABELS = 60


@dataclass(frozen=True)
class PlaceRow:
    """A system as the table shows it; `versus` is None on the front."""

    number: int
    system: System
    x: Cell
    y: Cell
    versus: Versus | None


@dataclass(frozen=True)
class PairSection:
    """One content metric against one quality metric."""

    front: Front
    figure: FigureFile
    rows: tuple[PlaceRow, ...]

    @property
    def shown(self) -> int:
        """How many dominated systems are shown to be so on both axes."""
        return sum(versus.both_shown for _, versus in self.front.dominated)


@dataclass(frozen=True)
class ParetoSection:
    """One codec on one split; `parents` contrasts hybrids with what they are made of, by size."""

    split: str
    codec: str
    anchor_id: str
    pairs: tuple[PairSection, ...]
    metrics: tuple[MetricKey, ...]
    parents: tuple[tuple[str, tuple[ParentContrast, ...]], ...]
    hybrid: bool
    speakers: int

    @property
    def one_voice(self) -> bool:
        """Whether all intervals are conditional on a single voice."""
        return self.speakers == 1


def pareto_sections(board: Board, chosen: Sequence[System], plots: Path) -> list[ParetoSection]:
    """Place every codec's systems on every split with both a content and a quality metric."""
    sections = []
    for split in board.splits:
        axes = axis_pairs(board.metrics_of(split))
        for codec in board.codecs:
            systems = competitors(board, split, codec)
            if axes and systems:
                sections.append(_section(board, split, codec, axes, systems, chosen, plots))
    return [section for section in sections if section.pairs]


def _section(
    board: Board,
    split: str,
    codec: str,
    axes: Sequence[Axes],
    systems: Sequence[System],
    chosen: Sequence[System],
    plots: Path,
) -> ParetoSection:
    fronts = [front for pair in axes if (front := pareto(systems, split, pair)).front]
    metrics = tuple(dict.fromkeys(metric for pair in axes for metric in pair))
    voices = {u.speaker for system in systems for u in system.evaluations[split].utterances}
    return ParetoSection(
        split,
        codec,
        f"{slug(split)}-{unique_slug(codec)}" if board.several_codecs else slug(split),
        tuple(_pair(board, split, codec, front, plots) for front in fronts),
        metrics,
        tuple(_parents(chosen, split, codec, metrics)),
        has_hybrid(systems),
        len(voices),
    )


def _parents(
    chosen: Sequence[System], split: str, codec: str, metrics: Sequence[MetricKey]
) -> Iterator[tuple[str, tuple[ParentContrast, ...]]]:
    """Yield the contrasts of each data size, most hours first."""
    sizes = {system.data_label: system.hours for system in chosen}
    for label in sorted(sizes, key=lambda size: -sizes[size]):
        here = [system for system in chosen if system.data_label == label]
        if found := parent_contrasts(here, split, codec, metrics):
            yield label, tuple(found)


def _pair(board: Board, split: str, codec: str, front: Front, plots: Path) -> PairSection:
    placed: list[tuple[Point, Versus | None]] = [(entry, None) for entry in front.front]
    placed += sorted(front.dominated, key=lambda entry: _by_content(entry[0], front.axes))
    rows = tuple(
        _row(number, entry, versus, split, front.axes)
        for number, (entry, versus) in enumerate(placed, start=1)
    )
    marks = [
        _mark(number, entry, len(front.front), len(placed), short_names(placed))
        for number, (entry, _) in enumerate(placed, start=1)
    ]
    marks += _references(board, split, codec, front.axes)
    return PairSection(front, _figure(board, split, codec, front, marks, plots), rows)


def _row(number: int, entry: Point, versus: Versus | None, split: str, axes: Axes) -> PlaceRow:
    x, y = (
        score_cell(entry.system.scores_of(split, metric), metric, value)
        for metric, value in zip(axes, (entry.x, entry.y), strict=True)
    )
    return PlaceRow(number, entry.system, x, y, versus)


def _by_content(entry: Point, axes: Axes) -> float:
    return -entry.x.mean if axes[0].higher_is_better else entry.x.mean


def short_names(placed: Sequence[tuple[Point, Versus | None]]) -> dict[str, str]:
    """Name systems by what tells them apart among those placed."""
    systems = [entry.system for entry, _ in placed]
    seeds = len({system.any.seed for system in systems}) > 1
    samples = len({system.any.sample for system in systems}) > 1
    swept = {
        family
        for family in {system.family for system in systems}
        if len({system.any.nfe for system in systems if system.family == family}) > 1
    }
    return {
        system.slug: ", ".join(
            [
                system.family,
                *([f"NFE {system.any.nfe}"] if system.family in swept else []),
                *(["best"] if system.any.checkpoint == "best" else []),
                *([f"seed {system.any.seed}"] if seeds else []),
                *([f"sample {system.any.sample}"] if samples else []),
            ]
        )
        for system in systems
    }


def _mark(number: int, entry: Point, front: int, total: int, names: dict[str, str]) -> Mark:
    leads = number <= front
    text = f"{number} {names[entry.system.slug]}" if leads else str(number)
    return Mark(
        text if leads or total <= MOST_LABELS else "",
        entry.system.family,
        entry.x.mean,
        entry.y.mean,
        (entry.x.low, entry.x.high),
        (entry.y.low, entry.y.high),
        hollow=entry.system.any.checkpoint == "best",
        rank=number if leads else None,
    )


def _references(board: Board, split: str, codec: str, axes: Axes) -> list[Mark]:
    """Return the codec's anchors: they bound the scale and do not compete."""
    systems = (board.anchor(name, split, codec) for name in REFERENCES)
    points = (point(system, split, axes) for system in systems if system)
    nan = (math.nan, math.nan)
    return [
        Mark(found.system.any.method.name, "", found.x.mean, found.y.mean, nan, nan)
        for found in points
        if found
    ]


def _figure(
    board: Board, split: str, codec: str, front: Front, marks: Sequence[Mark], plots: Path
) -> FigureFile:
    x, y = front.axes
    title = board.beside(f"{y.label} against {x.label}", codec)
    name = f"pareto-{unique_slug(codec)}-" if board.several_codecs else "pareto-"
    name += f"{unique_slug(split)}-{unique_slug(x.name)}-{unique_slug(y.name)}"
    across, up = (f"{axis_label(metric)}, {direction(metric)}" for metric in front.axes)
    groups = sorted({mark.group for mark in marks if mark.group})
    write_themed(pareto_chart(marks, groups, across, up, y.higher_is_better), plots, name)
    places = "; ".join(
        f"{mark.text}: {mark.x:.3f}, {mark.y:.3f}" for mark in marks if mark.rank is not None
    )
    anchors = "; ".join(f"{m.text}: {m.x:.3f}, {m.y:.3f}" for m in marks if not m.group)
    alt = f"{title}, split {split}. The front, best {x.label} first: {places}."
    alt += f" {len(front.dominated)} systems are dominated; the table holds them."
    alt += f" Anchors: {anchors}." if anchors else ""
    caption = f"{title}: points with 95 % intervals, front of the point estimates"
    return FigureFile(name, caption, alt)
