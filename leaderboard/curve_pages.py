"""The curves page: scores over NFE, over layers and over hours of training data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.board import Board
from leaderboard.curve_lines import curve_figure, levels_of, line, repetition
from leaderboard.figures import FigureFile
from leaderboard.layer_curves import layer_figures
from leaderboard.metric_keys import MetricKey
from leaderboard.plots import Axis, Series
from leaderboard.slugs import slug, unique_slug
from leaderboard.systems import System


@dataclass(frozen=True)
class CurveSection:
    """The figures of one split."""

    split: str
    anchor_id: str
    nfe: tuple[FigureFile, ...]
    layers: tuple[FigureFile, ...]
    data: tuple[FigureFile, ...]


def curve_sections(board: Board, chosen: Sequence[System], plots: Path) -> list[CurveSection]:
    """Draw every split's NFE, layer and data-size curves into `plots`."""
    sections = []
    for split in board.splits:
        nfe: list[FigureFile] = []
        layers: list[FigureFile] = []
        data: list[FigureFile] = []
        for metric in board.metrics_of(split):
            nfe += _nfe_figures(board, split, metric, plots)
            layers += layer_figures(board, split, metric, plots)
            data += _data_figures(board, split, metric, chosen, plots)
        figures = (tuple(nfe), tuple(layers), tuple(data))
        sections.append(CurveSection(split, slug(split), *figures))
    return sections


def _nfe_figures(board: Board, split: str, metric: MetricKey, plots: Path) -> list[FigureFile]:
    # A label names layers and checkpoint, so a sweep holds one of each.
    sweeps: dict[tuple[str, str], list[System]] = defaultdict(list)
    for system in board.trained:
        if split in system.evaluations:
            sweeps[board.title(system), system.codec].append(system)
    figures = []
    for (label, codec), systems in sweeps.items():
        placed = [(f"{s.data_label} of data", float(s.any.nfe), s) for s in systems]
        series = _lines(board, placed, split, metric)
        series = [found for found in series if len(set(found.x)) > 1]
        if series:
            title = f"{metric.label} of {label} over NFE"
            axis = Axis("NFE (network calls)", log=True)
            prefix = f"nfe-{unique_slug(label)}"
            levels = levels_of(board, split, metric, codec)
            figures.append(curve_figure(split, metric, series, levels, plots, prefix, title, axis))
    return figures


def _data_figures(
    board: Board, split: str, metric: MetricKey, chosen: Sequence[System], plots: Path
) -> list[FigureFile]:
    """Draw one figure per codec and checkpoint."""
    groups: dict[tuple[str, str | None], list[System]] = defaultdict(list)
    for system in chosen:
        if split in system.evaluations:
            groups[system.codec, system.any.checkpoint].append(system)
    figures = []
    for (codec, checkpoint), systems in groups.items():
        series = _lines(board, [(s.label, s.hours, s) for s in systems], split, metric)
        if series and max(len(set(found.x)) for found in series) > 1:
            apart = f"{metric.label} on {codec}" if board.several_codecs else metric.label
            title = f"{apart} over hours of training audio"
            prefix = f"data-{unique_slug(codec)}" if board.several_codecs else "data"
            if board.several_checkpoints:
                title, prefix = f"{title}, {checkpoint} checkpoint", f"{prefix}-{checkpoint}"
            axis = Axis("hours of training audio", log=True)
            levels = levels_of(board, split, metric, codec)
            figures.append(curve_figure(split, metric, series, levels, plots, prefix, title, axis))
    return figures


def _lines(
    board: Board, placed: Sequence[tuple[str, float, System]], split: str, metric: MetricKey
) -> list[Series]:
    """Return (name, x, system) as lines by name, seed and sample; a name has one colour."""
    lines: dict[tuple[str, str], list[tuple[float, System]]] = defaultdict(list)
    for name, x, system in placed:
        lines[", ".join((name, *repetition(board, system))), name].append((x, system))
    drawn = (
        line(label, systems, split, metric, group=name) for (label, name), systems in lines.items()
    )
    return [found for found in drawn if found.x]
