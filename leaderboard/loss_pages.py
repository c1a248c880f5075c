"""Figures of losses: over hours of training audio, and over the steps of trials."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.records import TrialRecord
from leaderboard.board import Board
from leaderboard.figures import FigureFile, alt_text
from leaderboard.overfitting import Overfit
from leaderboard.plots import Axis, Series, line_chart, write_themed
from leaderboard.slugs import unique_slug
from leaderboard.systems import System
from leaderboard.training_plots import LearningCurve, learning_chart
from leaderboard.trials import BoardTrial


def loss_figures(board: Board, trials: Sequence[BoardTrial], plots: Path) -> list[FigureFile]:
    """Draw each method's training and validation loss over hours, the mean over seeds."""
    figures = []
    for label, group in _by_method(board, trials).items():
        lines = _over_hours(group)
        name = f"loss-{unique_slug(label)}"
        axis = Axis("hours of training audio", log=True)
        write_themed(line_chart(lines, [], axis, "loss"), plots, name)
        alt = alt_text(f"Final loss of {label} over hours of training audio", lines, 3)
        seeds = len({trial.record.seed for trial in group})
        of = f" (mean of {seeds} seeds)" if seeds > 1 else ""
        figures.append(FigureFile(name, f"{label}: final loss{of}", alt))
    return figures


def _over_hours(group: Sequence[BoardTrial]) -> list[Series]:
    values: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in group:
        hours, found = trial.record.data_size.hours, Overfit.of(trial)
        values["train, last step"][hours].append(trial.record.curve[-1].train)
        values["valid, last step"][hours].append(found.last)
        values["valid, minimum"][hours].append(found.best)
    lines = []
    for label, by_hours in values.items():
        means = {at: float(np.mean(found)) for at, found in sorted(by_hours.items())}
        finite = {at: mean for at, mean in means.items() if math.isfinite(mean)}
        if finite:
            lines.append(Series(label, tuple(finite), tuple(finite.values())))
    return lines


def learning_figures(board: Board, trials: Sequence[BoardTrial], plots: Path) -> list[FigureFile]:
    """Draw each method's learning curves at all its data sizes in one figure."""
    figures = []
    for label, group in _by_method(board, trials).items():
        largest_last = sorted(group, key=lambda t: (t.record.data_size.hours, t.record.seed))
        curves = [learning_curve(trial.record, _size(trial.record)) for trial in largest_last]
        name = f"curves-{unique_slug(label)}"
        write_themed(learning_chart(curves), plots, name)
        seeds = len({trial.record.seed for trial in group})
        of = f", one line per seed ({seeds})" if seeds > 1 else ""
        values = "; ".join(
            f"{_size(trial.record)}, seed {trial.record.seed}: {_words(trial.record)}"
            for trial in largest_last
        )
        alt = f"Learning curves of {label}. {values}."
        figures.append(FigureFile(name, f"{label}: loss over training steps{of}", alt))
    return figures


def learning_figure(system: System, plots: Path) -> FigureFile | None:
    """Draw a trial's learning curve once, whichever of its systems asks first."""
    trial = system.trial
    if trial is None or not trial.curve:
        return None
    name = f"learning-{unique_slug(trial.id)}"
    if not (plots / f"{name}.svg").exists():
        write_themed(learning_chart([learning_curve(trial, "")], thin=False), plots, name)
    return FigureFile(name, "Learning curve", f"{_words(trial).capitalize()}.")


def learning_curve(trial: TrialRecord, label: str) -> LearningCurve:
    """Return a trial's losses as they are drawn."""
    train = tuple((point.step, point.train) for point in trial.curve)
    valid = tuple((p.step, p.valid) for p in trial.curve if p.valid is not None)
    best = next(((step, value) for step, value in valid if step == trial.best_step), None)
    return LearningCurve(label, train, valid, best)


def _words(trial: TrialRecord) -> str:
    curve = learning_curve(trial, "")
    (first, start), (last, end) = curve.train[0], curve.train[-1]
    words = f"training loss from {start:.4g} at step {first} to {end:.4g} at step {last}"
    if curve.best:
        words += f", lowest validation loss {curve.best[1]:.4g} at step {curve.best[0]}"
    if curve.valid:
        words += f", validation loss {curve.valid[-1][1]:.4g} at step {curve.valid[-1][0]}"
    return words


def _size(trial: TrialRecord) -> str:
    return f"{trial.data_size.label} ({trial.data_size.hours:.3g} h)"


def _by_method(board: Board, trials: Sequence[BoardTrial]) -> dict[str, list[BoardTrial]]:
    groups: dict[str, list[BoardTrial]] = defaultdict(list)
    for trial in trials:
        if trial.record.curve:
            groups[board.beside(trial.label, trial.codec)].append(trial)
    return dict(sorted(groups.items()))
