"""Figures of losses: over hours of training audio, and over the steps of one trial."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

from leaderboard.board import Board
from leaderboard.figures import FigureFile, alt_text
from leaderboard.plots import Axis, Series, learning_chart, line_chart, write_themed
from leaderboard.slugs import unique_slug
from leaderboard.systems import System


def loss_figures(board: Board, plots: Path) -> list[FigureFile]:
    """Draw each method's final training and validation loss over hours; losses differ in kind."""
    trials = {system.trial.id: system for system in board.systems if system.trial}
    groups: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for system in trials.values():
        trial = system.trial
        if trial and trial.curve:
            valid = [point.valid for point in trial.curve if point.valid is not None]
            last = valid[-1] if valid else math.nan
            groups[board.title(system)].append((trial.data_size.hours, trial.curve[-1].train, last))
    figures = []
    for label, rows in sorted(groups.items()):
        hours, train, last_valid = zip(*sorted(rows), strict=True)
        lines = [Series("train, last step", hours, train)]
        if any(map(math.isfinite, last_valid)):
            lines.append(Series("valid, last", hours, last_valid))
        name = f"loss-{unique_slug(label)}"
        axis = Axis("hours of training audio", log=True)
        write_themed(line_chart(lines, [], axis, "loss"), plots, name)
        alt = alt_text(f"Final loss of {label} over hours of training audio", lines, 3)
        figures.append(FigureFile(name, f"{label}: final loss", alt))
    return figures


def learning_figure(system: System, plots: Path) -> FigureFile | None:
    """Draw a trial's learning curve once, whichever of its systems asks first."""
    trial = system.trial
    if trial is None or not trial.curve:
        return None
    name = f"learning-{unique_slug(trial.id)}"
    valid = [(point.step, point.valid) for point in trial.curve if point.valid is not None]
    if not (plots / f"{name}.svg").exists():
        svg = learning_chart(
            [point.step for point in trial.curve], [point.train for point in trial.curve], valid
        )
        write_themed(svg, plots, name)
    first, last = trial.curve[0], trial.curve[-1]
    alt = f"Training loss from {first.train:.4g} at step {first.step} "
    alt += f"to {last.train:.4g} at step {last.step}"
    if valid:
        alt += f"; validation loss {valid[-1][1]:.4g} at step {valid[-1][0]}"
    return FigureFile(name, "Learning curve", f"{alt}.")
