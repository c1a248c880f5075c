"""Checkpoints and layers are told apart: slugs, choices, curves, what counts as independent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from site_pages import check_links, text
from synthetic_store import Options, build_store

from leaderboard.aggregate import selection_table
from leaderboard.board import Board
from leaderboard.correlation_pages import correlation_sections
from leaderboard.curve_pages import curve_sections
from leaderboard.plots import Series
from leaderboard.render import publish
from leaderboard.selection import choose, chosen_systems, full_size

OPTIONS = Options(
    checkpoints=("last", "best"), method_layers=(1, 3, 8), layers=(1, 3), seeds=(0, 1),
    metrics=("estoi", "dnsmos"), splits={"test": 5, "valid": 3},
    methods={"coarse_to_fine": 0.57, "parallel_tokens": 0.56, "regression": 0.6, "bridge": 0.6,
             "requantized": 0.58},
)  # fmt: skip


def drawn(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Series]]:
    """Return the lines of every figure of the curves page by its title."""
    found: dict[str, list[Series]] = {}

    def keep(split: str, metric: object, series: list[Series], *rest: object) -> object:
        found[str(rest[3])] = series
        return original(split, metric, series, *rest)

    from leaderboard import curve_lines, curve_pages, layer_curves

    original = curve_lines.curve_figure
    monkeypatch.setattr(curve_pages, "curve_figure", keep)
    monkeypatch.setattr(layer_curves, "curve_figure", keep)
    curve_sections(board, chosen_systems(board, choose(board)), tmp_path)
    return found


def test_every_system_has_a_name_of_its_own(board: Board) -> None:
    slugs = [system.slug for system in board.systems]
    assert len(slugs) == len(set(slugs))
    assert {"bridge-best-100pct-nfe4-seed1", "coarse_to_fine-layers3-best-10pct-nfe2-seed0"} <= set(
        slugs
    )
    found = next(
        s for s in board.systems if s.slug == "coarse_to_fine-layers3-best-10pct-nfe2-seed0"
    )
    assert found.label == "coarse_to_fine (first 3 codes, best checkpoint)"
    assert (found.family, found.layers, found.partial) == ("coarse_to_fine", 3, True)


def test_last_and_best_are_chosen_for_apart_and_only_from_all_codes(board: Board) -> None:
    choices = choose(board)
    keys = [(c.network, c.split) for c in choices]
    assert len(keys) == len(set(keys)) == 5 * 2 * 2 * 2  # methods, checkpoints, sizes, seeds
    layered = [c for c in choices if c.label == "coarse_to_fine"]
    assert {tuple(candidate.nfe for candidate in c.candidates) for c in layered} == {(7,)}
    chosen = chosen_systems(board, choices)
    assert not any(system.partial for system in chosen)
    assert len(chosen) == len(choices)
    assert set(selection_table(choices)["checkpoint"]) == {"last", "best"}


def test_a_method_that_borrows_a_trial_is_chosen_for_on_its_own(board: Board) -> None:
    chosen = full_size(chosen_systems(board, choose(board)))
    borrowed = [s for s in chosen if s.any.method.name == "requantized"]
    owners = [s for s in chosen if s.any.method.name == "regression"]
    assert len(borrowed) == len(owners) == 4
    assert {s.trial.id for s in borrowed if s.trial} == {s.trial.id for s in owners if s.trial}
    assert not {s.network for s in borrowed} & {s.network for s in owners}


def test_sweeps_mix_neither_layers_nor_checkpoints(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = drawn(board, tmp_path, monkeypatch)
    sweeps = {title: lines for title, lines in found.items() if title.startswith("ESTOI of bridge")}
    assert set(sweeps) == {
        "ESTOI of bridge over NFE", "ESTOI of bridge (best checkpoint) over NFE",
    }  # fmt: skip
    for lines in sweeps.values():
        assert {line.x for line in lines} == {(1.0, 4.0)}
        assert len(lines) == 4 and len({line.key for line in lines}) == 2  # sizes x seeds, sizes
    assert not any("coarse_to_fine" in title and "over NFE" in title for title in found)


def test_data_curves_have_one_checkpoint_and_all_codes(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = drawn(board, tmp_path, monkeypatch)
    for checkpoint in ("last", "best"):
        lines = found[f"ESTOI over hours of training audio, {checkpoint} checkpoint"]
        assert {line.x for line in lines} == {(0.12, 1.2)}
        assert len(lines) == 5 * 2
        assert all(("best" in line.label) == (checkpoint == "best") for line in lines)
        assert not any("first" in line.label for line in lines)


def test_layer_curves_rise_with_k_beside_the_true_codes(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = drawn(board, tmp_path, monkeypatch)
    lines = found["ESTOI of coarse_to_fine from its first k codes, 100% of data"]
    reference = [line for line in lines if line.reference]
    assert [line.x for line in reference] == [(1.0, 3.0, 8.0)]
    own = [line for line in lines if not line.reference]
    assert {line.key for line in own} == {"predicted codes, last", "predicted codes, best"}
    for line in own:
        assert line.x == (1.0, 3.0, 8.0) and line.y[0] < line.y[2]
        assert all(low < y < high for low, y, high in zip(line.low, line.y, line.high, strict=True))
    tokens = found["ESTOI of parallel_tokens from its first k codes, 100% of data"]
    assert {line.key for line in tokens if not line.reference} == {
        "predicted, NFE 1, last", "predicted, NFE 1, best",
    }  # fmt: skip
    assert not any("regression from its first" in title for title in found)


def test_layers_and_checkpoints_are_no_independent_methods(board: Board, tmp_path: Path) -> None:
    section = correlation_sections(board, tmp_path)[0]
    assert {line.methods for line in section.methods} == {5}
    assert {line.systems for line in section.methods} == {2 * 2 * 2 * (3 + 3 + 1 + 2 + 1)}


def test_pages_tell_checkpoints_and_layers_apart(site: Path) -> None:
    assert check_links(site) > 200
    page = (site / "index.html").read_text(encoding="utf-8")
    assert '<select name="weights">' in page and '<option value="3">first 3</option>' in page
    rows = re.findall(r'data-weights="(\w*)" data-codes="(\w+)"', page)
    assert {("last", "whole"), ("best", "3"), ("", "whole"), ("", "3")} <= set(rows)
    words = text(site / "systems/bridge-best-100pct-nfe4-seed0.html")
    assert "weights with the lowest validation loss (best checkpoint)" in words
    assert f"Weights, best {'cd' * 32} used here" in words and f"Weights, last {'ab' * 32}" in words
    borrowed = text(site / "systems/requantized-100pct-nfe1-seed0.html")
    assert "Trained as regression: this method uses its weights and trains none" in borrowed


def test_a_board_of_one_checkpoint_has_no_filter_for_it(tmp_path: Path) -> None:
    options = Options(sizes=("100%",), metrics=("estoi",))
    publish(build_store(tmp_path / "store", options), tmp_path / "site")
    page = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert 'name="weights"' not in page and 'name="codes"' not in page
