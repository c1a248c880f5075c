"""What a system's page shows: its scores, its utterances with audio, where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.records import EvaluatedUtterance
from leaderboard.audio import AudioShelf
from leaderboard.board import Board
from leaderboard.cells import DASH, Cell, decimals, difference_text, number, p_text, score_cell
from leaderboard.compare import against_coarse, estimate
from leaderboard.metric_keys import MetricKey
from leaderboard.pages import cost_cells
from leaderboard.systems import System


@dataclass(frozen=True)
class ScoreLine:
    """One metric on one split, and its paired difference from coarse."""

    metric: MetricKey
    cell: Cell
    n: int
    of: int
    speakers: int
    missing: int
    not_applicable: int
    difference: str
    interval: str
    p: str


@dataclass(frozen=True)
class UtteranceLine:
    """One utterance: what was said, what the recogniser read, audio, and its scores."""

    utterance: EvaluatedUtterance
    readings: tuple[tuple[str, str], ...]
    players: tuple[tuple[str, str | None], ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class SplitSection:
    """A system on one split."""

    split: str
    lines: tuple[ScoreLine, ...]
    costs: tuple[Cell, ...]
    metrics: tuple[MetricKey, ...]
    ranked_by: MetricKey | None
    utterances: tuple[UtteranceLine, ...]
    one_voice: bool


def split_sections(board: Board, system: System, shelf: AudioShelf) -> list[SplitSection]:
    """Return the system's sections, in the order of the board's splits."""
    return [
        _section(board, system, split, shelf)
        for split in board.splits
        if split in system.evaluations
    ]


def _section(board: Board, system: System, split: str, shelf: AudioShelf) -> SplitSection:
    record = system.evaluations[split]
    metrics = tuple(metric for metric in board.metrics if system.scores_of(split, metric))
    ranked_by = metrics[0] if metrics else None
    lines = [
        _utterance_line(board, system, split, utterance, metrics, shelf)
        for utterance in record.utterances
    ]
    if ranked_by:
        lines.sort(key=lambda line: _badness(line.cells[0], ranked_by.higher_is_better))
    return SplitSection(
        split=split,
        lines=tuple(_score_line(board, system, split, metric) for metric in metrics),
        costs=cost_cells(system, split),
        metrics=metrics,
        ranked_by=ranked_by,
        utterances=tuple(lines),
        one_voice=len({utterance.speaker for utterance in record.utterances}) == 1,
    )


def _score_line(board: Board, system: System, split: str, metric: MetricKey) -> ScoreLine:
    scores = system.scores[(split, metric.name)]
    value = estimate(scores, metric)
    test = against_coarse(board, system, split, metric)
    is_coarse = system.anchor and system.any.method.name == "coarse"
    mean, interval = (
        (DASH, "") if not test or is_coarse else difference_text(test, decimals(metric) + 1)
    )
    return ScoreLine(
        metric=metric,
        cell=score_cell(scores, metric, value),
        n=value.n if value else 0,
        of=scores.record.of,
        speakers=value.speakers if value else 0,
        missing=scores.count("missing"),
        not_applicable=scores.count("not applicable"),
        difference=mean,
        interval=interval,
        p=p_text(test.p) if test and not is_coarse else DASH,
    )


def _utterance_line(
    board: Board,
    system: System,
    split: str,
    utterance: EvaluatedUtterance,
    metrics: tuple[MetricKey, ...],
    shelf: AudioShelf,
) -> UtteranceLine:
    rows: list[dict[str, Any] | None] = [
        system.scores[(split, metric.name)].rows.get(utterance.id) for metric in metrics
    ]
    readings = tuple(
        (metric.label, str(row["text"]))
        for metric, row in zip(metrics, rows, strict=True)
        if row is not None and isinstance(row["text"], str)
    )
    cells = tuple(_value_cell(row, metric) for row, metric in zip(rows, metrics, strict=True))
    players = _players(board, system, split, utterance, shelf)
    return UtteranceLine(utterance, readings, players, cells)


def _players(
    board: Board, system: System, split: str, utterance: EvaluatedUtterance, shelf: AudioShelf
) -> tuple[tuple[str, str | None], ...]:
    record = system.evaluations[split]
    reference = board.references.get(record.reference)
    players = [(system.label, shelf.estimate(system, split, utterance))]
    if reference:
        players.append(("reference", shelf.reference(reference, utterance.id)))
    coarse = board.coarse_of(system, split)
    if coarse and coarse is not system:
        same = (u for u in coarse.evaluations[split].utterances if u.id == utterance.id)
        players += [("coarse", shelf.estimate(coarse, split, other)) for other in same]
    return tuple(players)


def _value_cell(row: dict[str, Any] | None, metric: MetricKey) -> Cell:
    if row is None:
        return Cell(DASH, state="outside", title="outside the metric's fixed subset")
    if row["status"] == "scored":
        value = float(row["value"])
        counts = f"{int(row['errors'])}/{int(row['words'])}" if metric.ratio else ""
        sort = repr(value).replace("inf", "Infinity")
        return Cell(number(value, decimals(metric)), margin=counts, sort=sort)
    absent = row["status"] == "missing"
    return Cell(
        "missing" if absent else "n/a",
        state="missing" if absent else "not-applicable",
        title=f"{row['status']}: {row['reason']}",
    )


def _badness(cell: Cell, higher_is_better: bool) -> tuple[bool, float]:
    """Order the worst first and what has no value last."""
    if not cell.sort:
        return True, 0.0
    value = float(cell.sort.replace("Infinity", "inf"))
    return False, value if higher_is_better else -value
