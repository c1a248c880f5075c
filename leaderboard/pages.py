"""What the index page shows, prepared as plain values; the templates only lay it out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from leaderboard.aggregate import COSTS
from leaderboard.board import Board
from leaderboard.cells import DASH, Cell, decimals, difference_text, p_text, score_cell, significant
from leaderboard.compare import (
    Contrast,
    OrderCheck,
    Tested,
    anchor_order,
    contrasts,
    estimate,
    top_tier,
)
from leaderboard.metric_keys import MetricKey
from leaderboard.selection import Choice, chosen_systems, full_size
from leaderboard.slugs import slug
from leaderboard.systems import System

COST_LABELS = {
    "real_time_factor": ("RTF", "s per s"),
    "counted_nfe": ("counted NFE", "calls"),
    "flops_per_second": ("GFLOPs", "per s of audio"),
}


@dataclass(frozen=True)
class Column:
    """A metric's column: its facts, and the coverage most systems have."""

    metric: MetricKey
    rows: int
    not_applicable: int
    of: int

    @property
    def coverage(self) -> tuple[str, ...]:
        """The usual coverage, in lines: "n = 20 of 40", "fixed subset"."""
        lines = [f"n = {self.rows - self.not_applicable} of {self.of}"]
        lines += [f"{self.not_applicable} n/a"] if self.not_applicable else []
        return (*lines, *(["fixed subset"] if self.rows < self.of else []))


@dataclass(frozen=True)
class Row:
    """One system in one split's table."""

    system: System
    chosen: bool
    rate: Cell
    cells: tuple[Cell, ...]
    costs: tuple[Cell, ...]


@dataclass(frozen=True)
class SplitTable:
    """The main table of one split, with its comparisons."""

    split: str
    anchor_id: str
    utterances: int
    speakers: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    contrasts: tuple[tuple[System, tuple[Contrast | None, ...]], ...]
    contrast_count: int
    order: tuple[tuple[str, tuple[OrderCheck | None, ...]], ...]

    @property
    def several_rates(self) -> bool:
        """Whether the systems stand for different bit rates."""
        return len({row.rate.sort for row in self.rows if row.rate.sort}) > 1

    @property
    def one_voice(self) -> bool:
        """Whether all intervals are conditional on a single voice."""
        return self.speakers == 1


def split_tables(board: Board, choices: list[Choice]) -> list[SplitTable]:
    """Return the table of every split, `test` first."""
    chosen = chosen_systems(board, choices)
    return [_split_table(board, split, chosen) for split in board.splits]


def _split_table(board: Board, split: str, chosen: list[System]) -> SplitTable:
    metrics = board.metrics_of(split)
    systems = board.systems_of(split)
    tiers = {metric.name: top_tier(board, split, metric) for metric in metrics}
    utterances = {
        utterance.id: utterance.speaker
        for system in systems
        for utterance in system.evaluations[split].utterances
    }
    here = [system for system in full_size(chosen) if split in system.evaluations]
    found = contrasts(board, split, here)
    columns = tuple(_column(board, split, metric) for metric in metrics)
    return SplitTable(
        split=split,
        anchor_id=slug(split),
        utterances=len(utterances),
        speakers=len(set(utterances.values())),
        columns=columns,
        rows=tuple(_row(system, split, columns, tiers, system in chosen) for system in systems),
        contrasts=_contrast_matrix(found, metrics),
        contrast_count=len(found),
        order=_order_matrix(anchor_order(board, split), metrics),
    )


def _column(board: Board, split: str, metric: MetricKey) -> Column:
    seen = Counter(
        (len(scores.table), scores.count("not applicable"), scores.record.of)
        for system in board.systems_of(split)
        if (scores := system.scores_of(split, metric))
    )
    (rows, apart, of), _ = max(seen.items(), key=lambda entry: (entry[1], entry[0]))
    return Column(metric, rows, apart, of)


def _row(
    system: System,
    split: str,
    columns: tuple[Column, ...],
    tiers: dict[str, set[str]],
    chosen: bool,
) -> Row:
    cells = []
    for column in columns:
        metric = column.metric
        scores = system.scores_of(split, metric)
        value = estimate(scores, metric) if scores else None
        cells.append(
            score_cell(
                scores,
                metric,
                value,
                top=system.slug in tiers[metric.name],
                usual=(column.rows, column.not_applicable),
            )
        )
    return Row(system, chosen, _rate_cell(system), tuple(cells), cost_cells(system, split))


def _rate_cell(system: System) -> Cell:
    """Write a system's bit rate in kb/s; audio no codec touched has none."""
    if system.codec_free and "bit_rate" not in system.any.method.params:
        return Cell(DASH)
    owner = "its own" if system.codec_free else "its codec's"
    cut = system.anchor and system.partial
    title = f"of its first {system.layers} codes" if cut else f"{owner}, whole"
    return Cell(f"{system.bit_rate / 1000:.3g}", sort=repr(system.bit_rate), title=title)


def cost_cells(system: System, split: str) -> tuple[Cell, ...]:
    """Return RTF, counted NFE and GFLOPs per second of audio, as measured on one split."""
    record = system.evaluations[split]
    cells = []
    for name, unit in COSTS:
        value = float(getattr(record, name))
        shown = value / 1e9 if name == "flops_per_second" else value
        cells.append(Cell(significant(shown), sort=repr(value), title=unit))
    return tuple(cells)


def _contrast_matrix(
    found: list[Contrast], metrics: list[MetricKey]
) -> tuple[tuple[System, tuple[Contrast | None, ...]], ...]:
    by_key = {(entry.system.slug, entry.metric.name): entry for entry in found}
    systems = {entry.system.slug: entry.system for entry in found}
    return tuple(
        (system, tuple(by_key.get((name, metric.name)) for metric in metrics))
        for name, system in systems.items()
    )


def _order_matrix(
    checks: list[OrderCheck], metrics: list[MetricKey]
) -> tuple[tuple[str, tuple[OrderCheck | None, ...]], ...]:
    several = len({check.codec for check in checks}) > 1
    rows: dict[str, dict[str, OrderCheck]] = {}
    for check in checks:
        name = f"{check.left} {check.sign} {check.right}"
        rows.setdefault(f"{name} ({check.codec})" if several else name, {})[check.metric.name] = (
            check
        )
    return tuple(
        (name, tuple(cells.get(metric.name) for metric in metrics)) for name, cells in rows.items()
    )


def contrast_lines(contrast: Tested | OrderCheck) -> tuple[str, str]:
    """Write a comparison's difference and interval, for the templates."""
    return difference_text(contrast.difference, decimals(contrast.metric) + 1)


def describe_p(contrast: Tested) -> str:
    """Write the Holm-corrected p of a contrast, for the templates."""
    return p_text(contrast.p_holm)


def missing_scores(board: Board) -> list[tuple[str, str, str, int, str]]:
    """Return (system, split, metric label, count, reason) of every score that failed."""
    labels = {metric.name: metric.label for metric in board.metrics}
    found = []
    for system in board.systems:
        for (split, name), scores in sorted(system.scores.items()):
            lost = scores.table[scores.table["status"] == "missing"]
            for reason, count in sorted(Counter(lost["reason"].astype(str)).items()):
                found.append((system.slug, split, labels[name], count, reason))
    return found
