"""The sensitivity study's page: which metric sees which artefact, and from which level on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from leaderboard.board import Board
from leaderboard.cells import Cell
from leaderboard.figures import FigureFile
from leaderboard.metric_keys import MetricKey
from leaderboard.sensitivity import Graded, graded
from leaderboard.sensitivity_figures import loss_figure, metric_figure
from leaderboard.sensitivity_table import sensitivity_table
from leaderboard.sensitivity_tests import Response, responses
from leaderboard.sensitivity_words import by_artefact, by_metric, response_cell, response_lines
from leaderboard.slugs import slug
from leaderboard.systems import System


@dataclass(frozen=True)
class SensitivitySection:
    """One split: its artefacts, what each metric sees of them, in a table, words and figures.

    The table has a row per artefact, and a cell with lines below it per metric.
    """

    split: str
    anchor_id: str
    copy: System
    artefacts: tuple[Graded, ...]
    metrics: tuple[MetricKey, ...]
    rows: tuple[tuple[Graded, tuple[tuple[Cell, tuple[str, ...]], ...]], ...]
    metric_words: tuple[str, ...]
    artefact_words: tuple[str, ...]
    losses: FigureFile | None
    figures: tuple[FigureFile, ...]
    tests: int
    utterances: int
    speakers: int

    @property
    def one_voice(self) -> bool:
        """Whether all intervals are conditional on a single voice."""
        return self.speakers == 1


@dataclass(frozen=True)
class SensitivityPage:
    """Everything the page shows; `table` is published beside it."""

    sections: tuple[SensitivitySection, ...]
    table: pd.DataFrame


def sensitivity_page(board: Board, plots: Path) -> SensitivityPage | None:
    """Return the page and draw its figures; None where no reference was degraded, or none scored.

    A split without the reference itself (`copy`) cannot be shown: there is nothing to compare with.
    """
    sections, tested = [], []
    for split in board.splits:
        found, copy = graded(board, split), board.anchor("copy", split, next(iter(board.codecs)))
        if found and copy:
            section, answers = _section(board, split, copy, found, plots)
            sections.append(section)
            tested.append((split, answers))
    return SensitivityPage(tuple(sections), sensitivity_table(tested)) if sections else None


def _section(
    board: Board, split: str, copy: System, found: Sequence[Graded], plots: Path
) -> tuple[SensitivitySection, list[Response]]:
    metrics = tuple(board.metrics_of(split))
    by_key = [responses(copy, found, split, metric) for metric in metrics]
    across = [[row[place] for row in by_key] for place in range(len(found))]
    figures = (metric_figure(copy, found, split, metric, plots) for metric in metrics)
    evaluated = copy.evaluations[split].utterances
    section = SensitivitySection(
        split=split,
        anchor_id=slug(split),
        copy=copy,
        artefacts=tuple(found),
        metrics=metrics,
        rows=tuple(
            (one, tuple((response_cell(response), response_lines(response)) for response in row))
            for one, row in zip(found, across, strict=True)
        ),
        metric_words=tuple(line for row in by_key for line in by_metric(row)),
        artefact_words=tuple(by_artefact(row) for row in across if row),
        losses=loss_figure(across, split, plots),
        figures=tuple(figure for figure in figures if figure),
        tests=sum(len(one.levels) for one in found),
        utterances=len(evaluated),
        speakers=len({utterance.speaker for utterance in evaluated}),
    )
    return section, [response for row in by_key for response in row]
