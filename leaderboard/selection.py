"""Which NFE each training run was given, by the validation split alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.board import Board
from leaderboard.compare import estimate
from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import Estimate
from leaderboard.systems import System


@dataclass(frozen=True)
class Candidate:
    """One NFE of a trial on the selection split (the mean over its samples)."""

    nfe: int
    mean: float
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class Choice:
    """The NFE chosen for one trial, and what it was chosen from."""

    run: str
    metric: MetricKey
    split: str
    trial: str
    label: str
    codec: str
    data_label: str
    seed: int | None
    nfe: int
    candidates: tuple[Candidate, ...]


def choose(board: Board) -> list[Choice]:
    """Choose, for each run and trial, the NFE with the best mean on the run's selection split.

    Equal means go to the smaller NFE. A trial without a score on that split has no choice.
    """
    choices = []
    for gap in board.gaps:
        selection = gap.run.selection
        if selection is None:
            continue
        named = set(gap.run.evaluations)
        for metric in board.metrics:
            if metric.name.partition("@")[0] == selection.metric:
                choices += _choices(board, gap.run.id, named, selection.split, metric)
    return choices


def chosen_systems(board: Board, choices: Sequence[Choice]) -> list[System]:
    """Return the systems at a chosen NFE, and those of trials with a single NFE."""
    nfes: dict[str, set[int]] = defaultdict(set)
    for system in board.systems:
        if system.trial and set(system.evaluations) & set(board.splits):
            nfes[system.trial.id].add(system.any.nfe)
    chosen = {(choice.trial, choice.nfe) for choice in choices}
    return [
        system
        for system in board.systems
        if system.trial
        and ((system.trial.id, system.any.nfe) in chosen or len(nfes[system.trial.id]) == 1)
    ]


def full_size(systems: Sequence[System]) -> list[System]:
    """Keep, of each method variant and codec, the systems trained on the most hours."""
    most: dict[tuple[str, str], float] = defaultdict(float)
    for system in systems:
        key = (system.label, system.codec)
        most[key] = max(most[key], _hours(system))
    return [s for s in systems if _hours(s) == most[(s.label, s.codec)]]


def _hours(system: System) -> float:
    return system.any.data_size.hours if system.any.data_size else 0.0


def _choices(
    board: Board, run: str, named: set[str], split: str, metric: MetricKey
) -> list[Choice]:
    found: dict[str, dict[int, list[Estimate]]] = defaultdict(lambda: defaultdict(list))
    systems: dict[str, tuple[System, str]] = {}
    for system in board.systems:
        for key, record in system.evaluations.items():
            scores = system.scores_of(key, metric)
            if record.split != split or record.id not in named or not system.trial or not scores:
                continue
            value = estimate(scores, metric)
            if value:
                found[system.trial.id][record.nfe].append(value)
                systems[system.trial.id] = (system, key)
    return [_choice(run, metric, *systems[trial], by_nfe) for trial, by_nfe in found.items()]


def _choice(
    run: str, metric: MetricKey, system: System, split: str, by_nfe: dict[int, list[Estimate]]
) -> Choice:
    candidates = tuple(
        Candidate(nfe, float(np.mean([value.mean for value in values])), tuple(values))
        for nfe, values in sorted(by_nfe.items())
    )
    sign = 1 if metric.higher_is_better else -1
    best = max(candidates, key=lambda candidate: (sign * candidate.mean, -candidate.nfe))
    trial = system.trial.id if system.trial else ""
    return Choice(
        run,
        metric,
        split,
        trial,
        system.label,
        system.codec,
        system.data_label,
        system.any.seed,
        best.nfe,
        candidates,
    )
