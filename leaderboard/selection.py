"""Which NFE each trained network was given, by the validation split alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.board import Board
from leaderboard.compare import estimate
from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import Estimate
from leaderboard.systems import Network, System


@dataclass(frozen=True)
class Candidate:
    """One NFE of a network on the selection split (the mean over its samples)."""

    nfe: int
    mean: float
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class Choice:
    """The NFE chosen for one network, and what it was chosen from."""

    run: str
    metric: MetricKey
    split: str
    network: Network
    codec: str
    data_label: str
    seed: int | None
    nfe: int
    candidates: tuple[Candidate, ...]

    @property
    def label(self) -> str:
        """The method, as systems of all its checkpoints are called."""
        return self.network.family


def choose(board: Board) -> list[Choice]:
    """Choose, for each run and network, the NFE with the best mean on the run's selection split.

    All N layers are decoded. Equal means go to the smaller NFE. A network without a score on that
    split has no choice.
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
    """Return the systems at a chosen NFE, and those of networks with a single NFE.

    They decode all N layers: how many to decode is not chosen.
    """
    whole = [(system, system.network) for system in board.trained if not system.partial]
    nfes: dict[Network, set[int]] = defaultdict(set)
    for system, network in whole:
        if network and set(system.evaluations) & set(board.splits):
            nfes[network].add(system.any.nfe)
    chosen = {(choice.network, choice.nfe) for choice in choices}
    return [
        system
        for system, network in whole
        if network and ((network, system.any.nfe) in chosen or len(nfes[network]) == 1)
    ]


def full_size(systems: Sequence[System]) -> list[System]:
    """Keep, of each method variant and codec, the systems trained on the most hours."""
    most: dict[tuple[str, str], float] = defaultdict(float)
    for system in systems:
        key = (system.label, system.codec)
        most[key] = max(most[key], system.hours)
    return [s for s in systems if s.hours == most[(s.label, s.codec)]]


def _choices(
    board: Board, run: str, named: set[str], split: str, metric: MetricKey
) -> list[Choice]:
    found: dict[Network, dict[int, list[Estimate]]] = defaultdict(lambda: defaultdict(list))
    systems: dict[Network, tuple[System, str]] = {}
    for system in board.trained:
        network = system.network
        for key, record in system.evaluations.items():
            scores = system.scores_of(key, metric)
            asked = record.split == split and record.id in named and not system.partial
            value = estimate(scores, metric) if asked and scores else None
            if network and value:
                found[network][record.nfe].append(value)
                systems[network] = (system, key)
    return [
        _choice(run, metric, network, *systems[network], by_nfe)
        for network, by_nfe in found.items()
    ]


def _choice(
    run: str,
    metric: MetricKey,
    network: Network,
    system: System,
    split: str,
    by_nfe: dict[int, list[Estimate]],
) -> Choice:
    candidates = tuple(
        Candidate(nfe, float(np.mean([value.mean for value in values])), tuple(values))
        for nfe, values in sorted(by_nfe.items())
    )
    sign = 1 if metric.higher_is_better else -1
    best = max(candidates, key=lambda candidate: (sign * candidate.mean, -candidate.nfe))
    return Choice(
        run,
        metric,
        split,
        network,
        system.codec,
        system.data_label,
        system.any.seed,
        best.nfe,
        candidates,
    )
