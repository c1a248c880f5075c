"""The paper's findings as contrasts over one run: which systems enter, and how seeds are pooled.

An utterance's score is averaged over training and sampling seeds first (for error rates its errors
and words are), then utterances are clustered by speaker, as in `leaderboard.statistics`. So an
interval is of these trained networks on other speakers; what other seeds would give is shown
beside it, as each seed's own estimate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from harness.records import EvaluationRecord, RunRecord
from leaderboard.board import Board
from leaderboard.codecs import is_partial
from leaderboard.compare import ALPHA, combined, estimate
from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import Difference
from leaderboard.systems import Scores, System

LEAST_NFE = 4  # of the bridge: at one step it is a regression


@dataclass(frozen=True)
class Cell:
    """A method with its parameters (as JSON), on so much data, with which weights, at which NFE."""

    name: str
    params: str
    label: str
    size: str
    checkpoint: str
    nfe: int


Term = tuple[float, Cell | None]


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of cells by one metric, and what it was claimed to be.

    `claimed` is 1 if the sum should be above 0, in the metric's own unit, -1 if below.
    `difference` is None where nothing was measured. `by_seed` are the training seeds' own sums.
    """

    finding: str
    title: str
    metric: str
    unit: str
    checkpoint: str
    claimed: int
    difference: Difference | None
    by_seed: tuple[float, ...] = ()
    p_holm: float = math.nan

    @property
    def verdict(self) -> str:
        """What the contrast shows of the claim, in words."""
        found = self.difference
        if found is None:
            return "not measured"
        if found.infinite or math.isnan(found.low):
            return "no test: infinite values, or one cluster"
        side = (found.low > 0) - (found.high < 0)
        if side == 0:
            return "not enough evidence"
        word = "confirmed" if side == self.claimed else "contradicted"
        return word if self.p_holm < ALPHA else f"{word} before correction only"


class Cells:
    """The trained systems of one run on one split, to be looked up by what sets them apart."""

    def __init__(self, board: Board, run: RunRecord, split: str) -> None:
        self.board, self.run, self.split = board, run, split
        named, chosen = set(run.evaluations), run.selection
        self.choosing: set[str] = set()
        self.found: dict[tuple[Cell, str], dict[int, list[System]]] = {}
        for system in board.systems:
            for key, record in system.evaluations.items():
                if record.id in named and chosen and record.split == chosen.split:
                    self.choosing.add(key)
                if record.id in named and record.trial and not is_partial(record):
                    seeds = self.found.setdefault((cell_of(record), key), {})
                    own = seeds.setdefault(record.seed or 0, [])
                    # From all N codes by default, and again as listed: the same system.
                    if all(other.any.sample != record.sample for other in own):
                        own.append(system)
        self.cells = [cell for cell, key in self.found if key == split]
        self.sizes = self._sizes()

    def _sizes(self) -> list[str]:
        """Return the data sizes' labels, most hours first."""
        records = [
            system.any
            for seeds in self.found.values()
            for systems in seeds.values()
            for system in systems
        ]
        hours = {r.data_size.label: r.data_size.hours for r in records if r.data_size}
        return sorted(hours, key=lambda label: -hours[label])

    def methods(self, checkpoint: str) -> list[Cell]:
        """Return one cell of each trained method on the most data, in the board's order."""
        seen: dict[tuple[str, str], Cell] = {}
        for cell in self.cells:
            if cell.size == self.sizes[0] and cell.checkpoint == checkpoint:
                seen.setdefault((cell.name, cell.params), cell)
        return list(seen.values())

    def nfes(self, cell: Cell) -> list[Cell]:
        """Return the cells that differ from this one in NFE alone, itself included."""
        same = [other for other in self.cells if replace(other, nfe=cell.nfe) == cell]
        return sorted(same, key=lambda other: other.nfe)

    def chosen(self, cell: Cell) -> Cell | None:
        """Return the cell at the NFE that is best on the run's validation split.

        Of a bridge only NFE >= `LEAST_NFE` counts. A method of one NFE needs no choice.

        None without a selection in the run, or a score to choose by; ties go to the smaller NFE.
        """
        selection = self.run.selection
        metrics = [m for m in self.board.metrics if selection and m.name == selection.metric]
        found: list[tuple[float, int, Cell]] = []
        least = LEAST_NFE if cell.name == "bridge" else 0
        candidates = [one for one in self.nfes(cell) if one.nfe >= least]
        if candidates == [cell]:
            return cell
        for other in candidates:
            for metric in metrics:
                for key in self.choosing:
                    pooled = self.scores(other, metric, key)
                    value = estimate(pooled, metric) if pooled else None
                    sign = 1 if metric.higher_is_better else -1
                    found += [(sign * value.mean, -other.nfe, other)] if value else []
        return max(found, key=lambda entry: entry[:2])[2] if found else None

    def scores(
        self, cell: Cell, metric: MetricKey, split: str, seed: int | None = None
    ) -> Scores | None:
        """Return a cell's scores, pooled over its seeds or of one; None if one has none."""
        seeds = self.found.get((cell, split), {})
        systems = [s for own, listed in seeds.items() if seed in (None, own) for s in listed]
        scores = [system.scores_of(split, metric) for system in systems]
        there = [one for one in scores if one is not None and not one.scored.empty]
        return pool(there, metric) if there and len(there) == len(scores) else None

    def sum(
        self, terms: Sequence[Term], metric: MetricKey
    ) -> tuple[Difference | None, tuple[float, ...]]:
        """Return the weighted sum of cells, and that of each seed all of them have.

        None if one of the cells, or its scores, are not there.
        """
        there = [(weight, cell) for weight, cell in terms if cell]
        if len(there) < len(terms):
            return None, ()
        seeds = [self.found.get((cell, self.split), {}) for _, cell in there]
        common = [seed for seed in sorted(seeds[0]) if all(seed in own for own in seeds)]
        by_seed = [self._sum(there, metric, seed) for seed in common]
        return self._sum(there, metric), tuple(one.mean for one in by_seed if one)

    def _sum(
        self, terms: Sequence[tuple[float, Cell]], metric: MetricKey, seed: int | None = None
    ) -> Difference | None:
        found = [(weight, self.scores(cell, metric, self.split, seed)) for weight, cell in terms]
        there = [(weight, scores) for weight, scores in found if scores is not None]
        return combined(there, metric) if there and len(there) == len(found) else None


def cell_of(record: EvaluationRecord) -> Cell:
    """Return what an evaluation of a trained method is of; its seeds aside."""
    method, size = record.method, record.data_size
    return Cell(
        name=method.name,
        params=method.model_dump_json(include={"params"}),
        label=f"{method.name}/{method.variant}" if method.variant else method.name,
        size=size.label if size else "",
        checkpoint=record.checkpoint or "",
        nfe=record.nfe,
    )


def pool(scores: Sequence[Scores], metric: MetricKey) -> Scores:
    """Average each utterance's score, or its errors and words, over the utterances all have."""
    tables = [one.scored for one in scores]
    shared = reduce(lambda left, right: left.intersection(right), (t.index for t in tables))
    pooled = tables[0].loc[shared].copy()
    for column in ("errors", "words") if metric.ratio else ("value",):
        pooled[column] = sum(t.loc[shared, column].astype(float) for t in tables) / len(tables)
    return Scores(scores[0].record, pooled)
