"""The requantization study's page: quantization error against resynthesis quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from leaderboard.board import Board
from leaderboard.codebook_figures import error_figure, reconstruction_figure, study_figure
from leaderboard.codebook_table import codebook_table
from leaderboard.compare import Tested
from leaderboard.figures import FigureFile
from leaderboard.metric_keys import MetricKey
from leaderboard.slugs import slug
from leaderboard.study import Arm, Group, Refitted, groups, refits
from leaderboard.study_contrasts import Gap, Slope, gaps, slopes
from leaderboard.study_words import reading
from leaderboard.systems import System

Cells = tuple[Tested | None, ...]


@dataclass(frozen=True)
class ArmSection:
    """One arm's refits, and their error over n."""

    arm: Arm
    refits: tuple[Refitted, ...]
    figure: FigureFile

    @property
    def books(self) -> int:
        """The most codebooks any of the refits measured."""
        return max(len(refitted.refit.error_db) for refitted in self.refits)


@dataclass(frozen=True)
class StudySection:
    """One arm's scores on one split, at one N; the tables' rows have a cell per metric."""

    group: Group
    split: str
    anchor_id: str
    metrics: tuple[MetricKey, ...]
    figures: tuple[FigureFile, ...]
    slopes: tuple[tuple[str, str, Cells], ...]
    contrasts: tuple[tuple[str, str, Cells], ...]
    gap_slopes: tuple[tuple[str, str, Cells], ...]
    readings: tuple[str, ...]
    slope_count: int
    contrast_count: int
    gap_count: int
    speakers: int

    @property
    def one_voice(self) -> bool:
        """Whether all intervals are conditional on a single voice."""
        return self.speakers == 1


@dataclass(frozen=True)
class CodebookPage:
    """Everything the page shows; `table` is published beside it."""

    arms: tuple[ArmSection, ...]
    reconstructions: tuple[tuple[str, str, tuple[FigureFile, ...]], ...]
    sections: tuple[StudySection, ...]
    seeds: tuple[int, ...]
    table: pd.DataFrame


def codebook_page(board: Board, chosen: Sequence[System], plots: Path) -> CodebookPage | None:
    """Return the page and draw its figures, or None where no codec has refitted codebooks."""
    found = refits(board)
    if not found:
        return None
    arms = [
        ArmSection(arm, own, error_figure(arm, own, plots))
        for arm in dict.fromkeys(refitted.arm for refitted in found)
        if (own := tuple(refitted for refitted in found if refitted.arm == arm))
    ]
    every = groups(board, chosen)
    tested = [
        (group, split, slopes(group, split, metrics), gaps(group, split, metrics))
        for split in board.splits
        if (metrics := board.metrics_of(split))
        for group in every
    ]
    trained = [point.system.any.seed for g in every for line in g.series for point in line.points]
    return CodebookPage(
        arms=tuple(arms),
        reconstructions=tuple(
            (split, slug(split), figures)
            for split in board.splits
            if (figures := _reconstructions(board, split, arms, plots))
        ),
        sections=tuple(
            section
            for group, split, lines, contrasts in tested
            if (section := _section(board, group, split, lines, contrasts, plots)).figures
        ),
        seeds=tuple(sorted({seed for seed in trained if seed is not None})),
        table=codebook_table(board, found, tested),
    )


def _reconstructions(
    board: Board, split: str, arms: Sequence[ArmSection], plots: Path
) -> tuple[FigureFile, ...]:
    drawn = (
        reconstruction_figure(board, section.arm, section.refits, split, metric, plots)
        for section in arms
        for metric in board.metrics_of(split)
    )
    return tuple(figure for figure in drawn if figure)


def _section(
    board: Board, group: Group, split: str, lines: list[Slope], found: list[Gap], plots: Path
) -> StudySection:
    metrics = tuple(board.metrics_of(split))
    drawn = (study_figure(group, split, metric, plots) for metric in metrics)
    contrasts = {
        (_pair(gap), f"K = {entries}", gap.metric): test
        for gap in found
        for entries, test in gap.tests.items()
    }
    gap_slopes = {(_pair(gap), "", gap.metric): gap.slope for gap in found if gap.slope}
    by_series = {(line.series.label, f"{line.count} K", line.test.metric): line.test
                 for line in lines}  # fmt: skip
    voices = {
        utterance.speaker
        for series in group.series
        for point in series.points
        if split in point.system.evaluations
        for utterance in point.system.evaluations[split].utterances
    }
    return StudySection(
        group=group,
        split=split,
        anchor_id=f"{group.arm.anchor_id}-n{group.codebooks}-{slug(split)}",
        metrics=metrics,
        figures=tuple(figure for figure in drawn if figure),
        slopes=_rows(by_series, metrics),
        contrasts=_rows(contrasts, metrics),
        gap_slopes=_rows(gap_slopes, metrics),
        readings=tuple(reading(gap) for gap in found),
        slope_count=len(by_series),
        contrast_count=len(contrasts),
        gap_count=len(gap_slopes),
        speakers=len(voices),
    )


def _pair(gap: Gap) -> str:
    return f"{gap.left.label} minus {gap.right.label}"


def _rows(
    tests: dict[tuple[str, str, MetricKey], Tested], metrics: Sequence[MetricKey]
) -> tuple[tuple[str, str, Cells], ...]:
    names = dict.fromkeys((name, note) for name, note, _ in tests)
    return tuple(
        (name, note, tuple(tests.get((name, note, metric)) for metric in metrics))
        for name, note in names
    )
