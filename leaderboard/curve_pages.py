"""The curves page: scores over NFE and over hours of training data, and final losses."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.board import Board, System
from leaderboard.compare import estimate
from leaderboard.metric_keys import MetricKey
from leaderboard.plots import Axis, Series, learning_chart, line_chart, write_themed
from leaderboard.slugs import slug, unique_slug
from leaderboard.statistics import Estimate

LEVELS = ("prequantized", "codec", "coarse")


@dataclass(frozen=True)
class FigureFile:
    """A figure in site/plots: NAME.svg and NAME-dark.svg, with a caption and alternative text."""

    name: str
    caption: str
    alt: str


@dataclass(frozen=True)
class CurveSection:
    """The figures of one split."""

    split: str
    anchor_id: str
    nfe: tuple[FigureFile, ...]
    data: tuple[FigureFile, ...]


def curve_sections(board: Board, chosen: Sequence[System], plots: Path) -> list[CurveSection]:
    """Draw every split's NFE and data-size curves into `plots`."""
    sections = []
    for split in board.splits:
        nfe: list[FigureFile] = []
        data: list[FigureFile] = []
        for metric in board.metrics_of(split):
            nfe += _nfe_figures(board, split, metric, plots)
            data += _data_figures(board, split, metric, chosen, plots)
        sections.append(CurveSection(split, slug(split), tuple(nfe), tuple(data)))
    return sections


def loss_figures(board: Board, plots: Path) -> list[FigureFile]:
    """Draw each method's final training and validation loss over hours; losses differ in kind."""
    trials = {system.trial.id: system for system in board.systems if system.trial}
    groups: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for system in trials.values():
        trial = system.trial
        if trial and trial.curve:
            valid = [point.valid for point in trial.curve if point.valid is not None]
            last = valid[-1] if valid else math.nan
            groups[system.label].append((trial.data_size.hours, trial.curve[-1].train, last))
    figures = []
    for label, rows in sorted(groups.items()):
        hours, train, last_valid = zip(*sorted(rows), strict=True)
        lines = [Series("train, last step", hours, train)]
        if any(map(math.isfinite, last_valid)):
            lines.append(Series("valid, last", hours, last_valid))
        name = f"loss-{unique_slug(label)}"
        axis = Axis("hours of training audio", log=True)
        write_themed(line_chart(lines, [], axis, "loss"), plots, name)
        alt = _alt(f"Final loss of {label} over hours of training audio", lines, 3)
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


def _nfe_figures(board: Board, split: str, metric: MetricKey, plots: Path) -> list[FigureFile]:
    sweeps: dict[str, dict[str, list[System]]] = defaultdict(lambda: defaultdict(list))
    for system in board.systems_of(split):
        if system.trial:
            sweeps[system.label][_line_label(board, system)].append(system)
    figures = []
    for label, lines in sweeps.items():
        series = [
            line
            for name, systems in lines.items()
            if len((line := _series(name, systems, split, metric, over_nfe=True)).x) > 1
        ]
        if series:
            title = f"{metric.label} of {label} over NFE"
            axis = Axis("NFE (network calls)", log=True)
            prefix = f"nfe-{unique_slug(label)}"
            figures.append(_figure(board, split, metric, series, plots, prefix, title, axis))
    return figures


def _data_figures(
    board: Board, split: str, metric: MetricKey, chosen: Sequence[System], plots: Path
) -> list[FigureFile]:
    lines: dict[str, list[System]] = defaultdict(list)
    for system in chosen:
        if split in system.evaluations:
            lines[", ".join((system.label, *_repetition(board, system)))].append(system)
    series = [
        line
        for name, systems in lines.items()
        if (line := _series(name, systems, split, metric, over_nfe=False)).x
    ]
    if not series or max(len(line.x) for line in series) < 2:
        return []
    title = f"{metric.label} over hours of training audio"
    axis = Axis("hours of training audio", log=True)
    return [_figure(board, split, metric, series, plots, "data", title, axis)]


def _series(
    name: str, systems: Sequence[System], split: str, metric: MetricKey, over_nfe: bool
) -> Series:
    points: list[tuple[float, Estimate]] = []
    for system in systems:
        scores = system.scores_of(split, metric)
        value = estimate(scores, metric) if scores else None
        if value and math.isfinite(value.mean):
            hours = system.any.data_size.hours if system.any.data_size else 0.0
            points.append((float(system.any.nfe) if over_nfe else hours, value))
    points.sort(key=lambda point: point[0])
    return Series(
        name,
        tuple(x for x, _ in points),
        tuple(value.mean for _, value in points),
        tuple(value.low for _, value in points),
        tuple(value.high for _, value in points),
    )


def _figure(
    board: Board,
    split: str,
    metric: MetricKey,
    series: Sequence[Series],
    plots: Path,
    prefix: str,
    title: str,
    axis: Axis,
) -> FigureFile:
    arrow = "higher is better" if metric.higher_is_better else "lower is better"
    name = f"{prefix}-{unique_slug(split)}-{unique_slug(metric.name)}"
    unit = f"{metric.label} ({metric.unit})" if metric.unit not in metric.label else metric.label
    levels = _levels(board, split, metric)
    write_themed(line_chart(series, levels, axis, unit), plots, name)
    alt = _alt(f"{title}, split {split}, {arrow}", series, 3, levels)
    return FigureFile(name, f"{title} ({arrow})", alt)


def _levels(board: Board, split: str, metric: MetricKey) -> list[tuple[str, float]]:
    levels = []
    for system in board.systems_of(split):
        if system.anchor and system.any.method.name in LEVELS:
            scores = system.scores_of(split, metric)
            value = estimate(scores, metric) if scores else None
            if value and math.isfinite(value.mean):
                levels.append((system.slug, value.mean))
    return levels


def _alt(
    title: str, series: Sequence[Series], digits: int, levels: Sequence[tuple[str, float]] = ()
) -> str:
    lines = [
        f"{line.label}: "
        + ", ".join(f"{y:.{digits}f} at {x:.3g}" for x, y in zip(line.x, line.y, strict=True))
        for line in series
    ]
    lines += [f"{name}: {value:.{digits}f}" for name, value in levels]
    return f"{title}. {'; '.join(lines)}."


def _line_label(board: Board, system: System) -> str:
    layers = system.any.layers
    parts = [f"{system.data_label} of data"]
    parts += [f"{layers} layers"] if layers is not None else []
    return ", ".join((*parts, *_repetition(board, system)))


def _repetition(board: Board, system: System) -> list[str]:
    """Name the seed, sample and codec of a system, where the board holds several."""
    trained = [other.any for other in board.systems if other.trial]
    facts = system.any
    parts = [f"seed {facts.seed}"] if len({other.seed for other in trained}) > 1 else []
    parts += [f"sample {facts.sample}"] if len({other.sample for other in trained}) > 1 else []
    return parts + ([facts.codec.name] if len({o.codec.name for o in trained}) > 1 else [])
