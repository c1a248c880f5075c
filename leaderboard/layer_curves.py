"""Layer progression: each layered method decoded from its first k codes, beside the true codes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from leaderboard.board import Board
from leaderboard.curve_lines import curve_figure, levels_of, line, repetition
from leaderboard.figures import FigureFile
from leaderboard.metric_keys import MetricKey
from leaderboard.plots import Axis, Series
from leaderboard.slugs import unique_slug
from leaderboard.systems import System


def layer_figures(board: Board, split: str, metric: MetricKey, plots: Path) -> list[FigureFile]:
    """Draw a metric over k = 1..N per layered method, at its most hours of training audio."""
    groups: dict[tuple[str, str], list[System]] = defaultdict(list)
    for system in board.trained:
        if split in system.evaluations and system.any.method.layered:
            groups[system.family, system.codec].append(system)
    figures = []
    for (family, codec), systems in groups.items():
        lines = _lines(board, systems, split, metric)
        if lines:
            title = f"{metric.label} of {board.beside(family, codec)} from its first k codes"
            title += f", {max(systems, key=lambda s: s.hours).data_label} of data"
            prefix = f"layers-{unique_slug(board.beside(family, codec))}"
            true = _true_codes(board, split, metric, codec)
            levels = levels_of(board, split, metric, codec, ("prequantized",))
            axis = Axis("codes decoded, k")
            figures.append(
                curve_figure(split, metric, [*lines, *true], levels, plots, prefix, title, axis)
            )
    return figures


def _lines(board: Board, systems: Sequence[System], split: str, metric: MetricKey) -> list[Series]:
    most = max(system.hours for system in systems)
    largest = [system for system in systems if system.hours == most]
    # Where each layer is one more call, k says the NFE too; elsewhere a line has one NFE.
    tied = all(system.any.nfe == system.layers - 1 for system in largest)
    lines: dict[tuple[str, str], list[tuple[float, System]]] = defaultdict(list)
    for system in largest:
        group = _group(system, tied, board.several_checkpoints)
        name = ", ".join((group, *repetition(board, system)))
        lines[name, group].append((system.layers, system))
    drawn = (
        line(name, _once(found), split, metric, group=group)
        for (name, group), found in lines.items()
    )
    return [series for series in drawn if len(series.x) > 1]


def _group(system: System, tied: bool, several: bool) -> str:
    """Name the lines of all seeds and samples by what they share."""
    words = "predicted codes" if tied else f"predicted, NFE {system.any.nfe}"
    return f"{words}, {system.any.checkpoint}" if several else words


def _true_codes(board: Board, split: str, metric: MetricKey, codec: str) -> list[Series]:
    """Return the anchor `codec` from its first k codes: what perfect prediction would reach."""
    own = [
        (float(system.layers), system)
        for system in board.systems_of(split)
        if system.anchor and system.any.method.name == "codec" and system.codec == codec
    ]
    series = line("true codes", _once(own), split, metric, reference=True)
    return [series] if series.x else []


def _once(found: Sequence[tuple[float, System]]) -> list[tuple[float, System]]:
    """Keep one system for each k: all N codes may have been asked for by number and by default."""
    kept: dict[float, System] = {}
    for count, system in found:
        kept.setdefault(count, system)
    return list(kept.items())
