"""The methods page: a card for each method on the board, and whether budgets are equal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pydantic import JsonValue

from harness.records import MethodFacts
from leaderboard.board import Board
from leaderboard.budgets import Deviation, flops_deviations, parameter_deviations
from leaderboard.cells import DASH, Cell, number, significant
from leaderboard.slugs import unique_slug
from leaderboard.systems import System
from leaderboard.trials import BoardTrial


@dataclass(frozen=True)
class Variant:
    """One parametrisation of a method: its name, parameters and backbone."""

    label: str
    params: dict[str, JsonValue]
    backbone: dict[str, JsonValue]


@dataclass(frozen=True)
class CostRow:
    """What one NFE costs at test time: medians over evaluations, with their range."""

    label: str
    codec: str
    nfe: int
    layers: int
    counted: Cell
    gflops: Cell
    rtf: Cell
    evaluations: int


@dataclass(frozen=True)
class Card:
    """One method: its facts, variants, training runs, costs, and in what it is not equal.

    `borrowed` are the runs of other methods that it uses as they are.
    """

    facts: MethodFacts
    anchor_id: str
    variants: tuple[Variant, ...]
    nfes: tuple[int, ...]
    layers: tuple[int, ...]
    codebooks: int
    trials: tuple[BoardTrial, ...]
    borrowed: tuple[BoardTrial, ...]
    costs: tuple[CostRow, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Fairness:
    """One method on one codec in the table of parameters and budgets."""

    label: str
    codec: str
    card: str
    parameters: Deviation
    critics: int
    flops: tuple[tuple[str, Deviation], ...]

    @property
    def furthest(self) -> Deviation | None:
        """The budget, over data sizes, that lies furthest from its median."""
        found = (deviation for _, deviation in self.flops)
        return max(found, key=lambda deviation: abs(deviation.relative), default=None)


def card_id(name: str) -> str:
    """Return the anchor of a method's card."""
    return f"method-{unique_slug(name)}"


def fairness(trials: Sequence[BoardTrial]) -> list[Fairness]:
    """Return every trained method of the board, on each codec."""
    budgets = flops_deviations(trials)
    rows = []
    for (label, codec), parameters in parameter_deviations(trials).items():
        own = [t for t in trials if t.listed and (t.label, t.codec) == (label, codec)]
        sizes = dict.fromkeys(trial.record.data_size.label for trial in own)
        flops = [(size, budgets.get((label, codec, size))) for size in sizes]
        rows.append(
            Fairness(
                label,
                codec,
                card_id(own[0].record.method.name),
                parameters,
                max(trial.record.critic_parameters for trial in own),
                tuple((size, found) for size, found in flops if found),
            )
        )
    return rows


def method_cards(board: Board, trials: Sequence[BoardTrial]) -> list[Card]:
    """Return a card per method, trained ones first."""
    groups: dict[str, list[System]] = defaultdict(list)
    for system in board.systems:
        groups[system.any.method.name].append(system)
    rows = fairness(trials)
    cards = [_card(board, systems, trials, rows) for systems in groups.values()]
    return sorted(cards, key=lambda card: card.facts.kind == "anchor")


def _card(
    board: Board,
    systems: Sequence[System],
    trials: Sequence[BoardTrial],
    rows: Sequence[Fairness],
) -> Card:
    facts = systems[0].any.method
    used = {system.trial.id for system in systems if system.trial}
    behind = [trial for trial in trials if trial.record.id in used]
    own = [trial for trial in behind if trial.record.method.name == facts.name]
    first = {system.family: system.any.method for system in systems}
    return Card(
        facts,
        card_id(facts.name),
        tuple(Variant(name, method.params, method.backbone) for name, method in first.items()),
        tuple(sorted({system.any.nfe for system in systems})),
        tuple(sorted({system.layers for system in systems})) if facts.layered else (),
        max(system.any.codec.codebooks for system in systems),
        tuple(own),
        tuple(trial for trial in behind if trial.record.method.name != facts.name),
        tuple(_costs(systems)),
        tuple(_flags(board, [row for row in rows if row.card == card_id(facts.name)])),
    )


def _flags(board: Board, rows: Sequence[Fairness]) -> list[str]:
    """Say in what a method's terms differ from the others' by more than is equal."""
    flags = []
    for row in rows:
        name = board.beside(row.label, row.codec)
        if row.parameters.flagged:
            off = percent(row.parameters.relative)
            flags.append(f"{name}: parameters {off} from the median of trained methods")
        for size, found in row.flops:
            if found.flagged:
                off = percent(found.relative)
                flags.append(
                    f"{name}, {size} of the data: training FLOPs, with its teachers’, {off} from "
                    "the median of trained methods"
                )
    return flags


def percent(share: float) -> str:
    """Write a relative difference."""
    return f"{number(100 * share, 1, sign=True)} %"


def _costs(systems: Sequence[System]) -> list[CostRow]:
    groups: dict[tuple[str, str, int, int], list[System]] = defaultdict(list)
    for system in systems:
        groups[system.family, system.codec, system.any.nfe, system.layers].append(system)
    rows = []
    for (label, codec, nfe, layers), found in groups.items():
        records = [record for system in found for record in system.evaluations.values()]
        counted = _range([record.counted_nfe for record in records])
        gflops = _range([record.flops_per_second / 1e9 for record in records])
        rtf = _range([record.real_time_factor for record in records])
        rows.append(CostRow(label, codec, nfe, layers, counted, gflops, rtf, len(records)))
    return rows


def _range(values: Sequence[float]) -> Cell:
    middle, low, high = median(values), min(values), max(values)
    spread = f"{significant(low)}{DASH}{significant(high)}" if low < high else ""
    return Cell(significant(middle), margin=spread, sort=repr(middle))
