"""Builds the site from a store, beside its target, and swaps it in when it is complete."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.errors import UserError
from harness.store import Store
from leaderboard import pages
from leaderboard.aggregate import long_table, selection_table, write_tables
from leaderboard.audio import AudioShelf
from leaderboard.board import Board, load_board
from leaderboard.cells import number, significant
from leaderboard.codebook_pages import codebook_page
from leaderboard.codec_pages import codec_rows, rate_sections
from leaderboard.codecs import sizes_text
from leaderboard.correlation_pages import correlation_sections
from leaderboard.curve_pages import curve_sections
from leaderboard.domains_pages import domains_page
from leaderboard.loss_pages import learning_figure, learning_figures, loss_figures
from leaderboard.method_cards import card_id, fairness, method_cards, percent
from leaderboard.overfitting import overfit_rows
from leaderboard.parents import count_tests
from leaderboard.pareto_pages import pareto_sections
from leaderboard.selection import Choice, choose, chosen_systems
from leaderboard.sensitivity_pages import sensitivity_page
from leaderboard.system_pages import split_sections
from leaderboard.systems import System
from leaderboard.trials import board_trials

HERE = Path(__file__).parent
MARKER = ".resynth-site"
PAGES = [
    ("index.html", "Leaderboard"),
    ("methods.html", "Methods"),
    ("curves.html", "Curves"),
    ("pareto.html", "Pareto"),
    ("correlations.html", "Correlations"),
    ("codecs.html", "Codecs"),
]


def publish(store: Store, out: Path) -> None:
    """Build the site of a store into `out`, replacing an earlier site there.

    The date of the build is the only thing that differs between two builds of one store;
    SOURCE_DATE_EPOCH, where set, fixes it. Raises UserError if the store holds nothing to show or
    is damaged, or if `out` cannot be written or is not an earlier site.
    """
    out = out.resolve()
    check_target(out)
    board = load_board(store)
    building = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    try:
        building.mkdir(parents=True)
        build(board, building)
        swap(building, out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"site {out}: the disk is full; free space and publish again"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR):
            raise UserError(f"site {out}: cannot be written ({error.strerror})") from error
        raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def check_target(out: Path) -> None:
    """Raise UserError unless `out` is free, an empty folder, or an earlier site."""
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / MARKER).is_file()):
        raise UserError(
            f"site {out}: exists and is not a site made by resynth; "
            "choose another folder or remove it"
        )


def swap(building: Path, out: Path) -> None:
    """Put a finished build in place of `out` by renaming; a failure leaves the old site."""
    if not out.exists():
        building.rename(out)
        return
    old = building.with_name(f"{building.name}.old")
    out.rename(old)
    try:
        building.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old)


def build(board: Board, site: Path) -> None:
    """Write every page, figure, table and audio file of the site into an empty folder."""
    (site / MARKER).write_text("made by resynth publish\n", encoding="utf-8")
    shutil.copytree(HERE / "static", site / "static")
    plots = site / "plots"
    plots.mkdir()
    choices, trials = choose(board), board_trials(board)
    chosen = chosen_systems(board, choices)
    write_tables(long_table(board), site / "data", "leaderboard")
    write_tables(selection_table(choices), site / "data", "selection")
    study = codebook_page(board, chosen, plots)
    if study:
        write_tables(study.table, site / "data", "codebooks")
    sensitivity = sensitivity_page(board, plots)
    if sensitivity:
        write_tables(sensitivity.table, site / "data", "sensitivity")
    domains = domains_page(board)
    if domains:
        write_tables(domains.table, site / "data", "domains")
    studies = [("codebooks.html", "Codebooks")] if study else []
    studies += [("domains.html", "Domains")] if domains else []
    studies += [("sensitivity.html", "Sensitivity")] if sensitivity else []
    environment = _environment(board, studies)
    shelf = AudioShelf(board.store, site)
    _write_systems(environment, board, choices, chosen, shelf, plots)
    _write(environment, site, "curves.html", root="", losses=loss_figures(board, trials, plots),
           learning=learning_figures(board, trials, plots), overfit=overfit_rows(trials),
           sections=curve_sections(board, chosen, plots))  # fmt: skip
    _write(environment, site, "pareto.html", root="",
           sections=pareto_sections(board, chosen, plots))  # fmt: skip
    _write(environment, site, "methods.html", root="", cards=method_cards(board, trials),
           fairness=fairness(trials))  # fmt: skip
    _write(environment, site, "codecs.html", root="", codecs=codec_rows(board),
           sections=rate_sections(board, plots))  # fmt: skip
    if study:
        _write(environment, site, "codebooks.html", root="", study=study)
    if domains:
        _write(environment, site, "domains.html", root="", domains=domains)
    if sensitivity:
        _write(environment, site, "sensitivity.html", root="", sensitivity=sensitivity)
    _write(environment, site, "correlations.html", root="",
           sections=correlation_sections(board, plots))  # fmt: skip
    _write(environment, site, "index.html", root="", choices=choices,
           tables=pages.split_tables(board, choices), missing=pages.missing_scores(board),
           lost=sorted(shelf.lost))  # fmt: skip


def _write_systems(
    environment: Environment,
    board: Board,
    choices: list[Choice],
    chosen: list[System],
    shelf: AudioShelf,
    plots: Path,
) -> None:
    picked = {system.slug for system in chosen}
    for system in board.systems:
        own = [c for c in choices if c.network == system.network and not system.partial]
        _write(
            environment, shelf.site, "system.html", f"systems/{system.slug}.html", root="../",
            system=system, sections=split_sections(board, system, shelf), choices=own,
            chosen=system.slug in picked, learning=learning_figure(system, plots),
        )  # fmt: skip


def _environment(board: Board, studies: list[tuple[str, str]]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        board=board,
        nav=[*PAGES, *studies],
        built=_built(),
        commits=_commits(board),
        latest=max(r.provenance.started for s in board.systems for r in s.evaluations.values()),
        contrast_lines=pages.contrast_lines,
        describe_p=pages.describe_p,
        card_id=card_id,
        count_tests=count_tests,
        percent=percent,
    )
    environment.filters.update(significant=significant, number=number, sizes=sizes_text)
    return environment


def _write(
    environment: Environment, site: Path, template: str, target: str = "", **values: Any
) -> None:
    path = site / (target or template)
    path.parent.mkdir(exist_ok=True)
    text = environment.get_template(template).render(**values)
    path.write_text(text, encoding="utf-8")


def _built() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        now = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError) as error:
        raise UserError(f"SOURCE_DATE_EPOCH is '{epoch}', not a time in seconds") from error
    return now.strftime("%Y-%m-%d %H:%M UTC")


def _commits(board: Board) -> list[str]:
    """Return the commits the evaluations were computed with."""
    found = [r.provenance for s in board.systems for r in s.evaluations.values()]
    return sorted({f"{p.git_commit[:12]}{' (modified)' if p.git_dirty else ''}" for p in found})
