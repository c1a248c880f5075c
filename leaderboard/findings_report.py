"""The findings of one run as tables: Markdown for people, plain values for scripts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.errors import UserError, nearest
from harness.records import RunRecord
from harness.store import Store
from leaderboard.board import Board, load_board
from leaderboard.findings import LEAST_NFE, Cells, Contrast
from leaderboard.findings_claims import TITLES, contrasts, roles
from leaderboard.findings_curves import PastMinimum, past_minimum

HEAD = ("contrast", "weights", "metric", "difference, 95 % CI", "seeds", "p (Holm)", "n", "verdict")


@dataclass(frozen=True)
class SplitFindings:
    """All contrasts on one split; `bridge_nfe` is what validation chose, None without a bridge."""

    split: str
    bridge_nfe: int | None
    contrasts: tuple[Contrast, ...]


@dataclass(frozen=True)
class Findings:
    """A run's findings. `unfinished` counts evaluations and scores that are still to be done."""

    run: str
    title: str
    checkpoint: str
    unfinished: int
    splits: tuple[SplitFindings, ...]
    curves: tuple[PastMinimum, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything, verdicts included, as JSON values; null for what is undefined."""
        found = asdict(self)
        for split, shown in zip(self.splits, found["splits"], strict=True):
            for contrast, row in zip(split.contrasts, shown["contrasts"], strict=True):
                row["verdict"] = contrast.verdict
        plain: dict[str, Any] = defined(found)
        return plain

    def markdown(self) -> str:
        """Return the findings as Markdown."""
        head = [f"# Findings: {self.title}", ""]
        if self.unfinished:
            head += [f"**{self.unfinished} evaluations and scores of this run are not done.**", ""]
        parts = [part for split in self.splits for part in split_lines(split)]
        return "\n".join([*head, *parts, *curve_lines(self.curves)])


def defined(value: Any) -> Any:
    """Return the value with None for every number that is not finite: JSON has no other word."""
    if isinstance(value, dict):
        return {key: defined(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [defined(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def findings(store: Store, name: str | None = None, checkpoint: str = "last") -> Findings:
    """Work out the findings of the run `name`, or of the store's only one.

    `checkpoint` is that of F1, F2 and F4; F3 has both. Raises UserError for a run that is not
    there, or holds several codecs, or no trained method with such weights.
    """
    board = load_board(store)
    run = run_of(board, name)
    splits, curves = [], []
    for split in board.splits:
        cells = Cells(board, run, split)
        if cells.methods(checkpoint):
            bridge = roles(cells, checkpoint).bridge
            chosen = bridge.nfe if bridge else None
            splits.append(SplitFindings(split, chosen, tuple(contrasts(cells, checkpoint))))
            curves = past_minimum(cells)
    if not splits:
        raise UserError(
            f"run '{run.id}': no trained method was evaluated with its {checkpoint} weights; "
            "finish the run first"
        )
    gap = next(gap for gap in board.gaps if gap.run.id == run.id)
    unfinished = len(run.evaluations) + len(run.scores) - gap.evaluations - gap.scores
    return Findings(run.id, run.title, checkpoint, unfinished, tuple(splits), tuple(curves))


def run_of(board: Board, name: str | None) -> RunRecord:
    """Return the run of that name, or the only one."""
    runs = {gap.run.id: gap.run for gap in board.gaps}
    if name is None and len(runs) > 1:
        raise UserError(
            f"store {board.store.root}: holds the runs {', '.join(runs)}; give the configuration "
            "of one, and this store as --store"
        )
    name = next(iter(runs)) if name is None else name
    if name not in runs:
        raise UserError(f"store {board.store.root}: no run '{name}'{nearest(name, runs)}")
    named = set(runs[name].evaluations)
    codecs = {s.codec for s in board.systems if s.trial and s.any.id in named}
    if len(codecs) > 1:
        raise UserError(f"run '{name}': has {len(codecs)} codecs; findings are of one")
    return runs[name]


def split_lines(found: SplitFindings) -> list[str]:
    """Return a split's tables, one per finding."""
    lines = [f"## {found.split}", ""]
    if found.bridge_nfe is not None:
        lines += [f"The bridge enters at NFE {found.bridge_nfe}, chosen on validation.", ""]
    else:
        lines += [f"No stochastic bridge with a validation score at NFE >= {LEAST_NFE}.", ""]
    for finding, title in TITLES.items():
        own = [one for one in found.contrasts if one.finding == finding]
        if not own:
            continue
        counts = Counter(one.verdict for one in own)
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        lines += [f"### {finding}: {title}", "", f"{told}.", ""]
        lines += [*table(HEAD, [cells_of(one) for one in own]), ""]
    return lines


def cells_of(one: Contrast) -> Sequence[str]:
    """Return one contrast's line."""
    start = (one.title, one.checkpoint, one.metric)
    if one.difference is None:
        return (*start, "", "", "", "", one.verdict)
    d = one.difference
    return (
        *start,
        f"{d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}]",
        " ".join(f"{value:+.4f}" for value in one.by_seed),
        f"{one.p_holm:.2g}",
        f"{d.n} of {d.speakers} speakers",
        one.verdict,
    )


def curve_lines(curves: Sequence[PastMinimum]) -> list[str]:
    """Return the table of trials that trained past their validation minimum."""
    head = ("method", "data", "trials", "past their minimum", "best step", "of", "rise since")
    rows = [
        (
            one.label,
            one.size,
            str(one.trials),
            str(one.past),
            f"{one.best_step:g}",
            f"{one.steps:g}",
            f"{one.rise:.1%}",
        )
        for one in curves
    ]
    return ["## Validation minimum", "", *table(head, rows), ""]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table's lines."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
