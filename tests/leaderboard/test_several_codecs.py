"""One board with systems of several codecs: names, order, comparisons, pages. Data is synthetic."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from site_pages import check_links, text
from synthetic_store import METHODS, Options, build_store, codec

from leaderboard.aggregate import long_table
from leaderboard.board import Board, load_board
from leaderboard.compare import anchor_order, contrasts, paired, top_tier
from leaderboard.selection import choose, chosen_systems, full_size

SLOW = codec("slow", (4096, 256, 256, 256), 12.5, parallel_codebooks=1, licence="CC-BY-4.0")
OPTIONS = Options(
    codecs=(codec(), SLOW), layers=(2,), opus=(12_000, 24_000), metrics=("estoi", "wer"),
    # Far apart, so that a comparison with the other codec's anchor would be seen.
    effect=lambda system, facts, count: -0.3 * (facts.name == "slow") - 0.1 * (count == 2),
)  # fmt: skip


def test_slugs_are_unique_and_name_the_codec_where_there_is_one(board: Board) -> None:
    slugs = [system.slug for system in board.systems]
    assert len(slugs) == len(set(slugs))
    assert {"copy", "opus-12kbps", "opus-24kbps", "coarse-tiny", "coarse-slow"} <= set(slugs)
    assert {"codec-tiny", "codec-layers2-tiny", "bridge-100pct-nfe4-slow"} <= set(slugs)


def test_one_codec_is_not_named(tmp_path: Path) -> None:
    options = Options(sizes=("100%",), metrics=("estoi",), layers=(1, 3))
    board = load_board(build_store(tmp_path, options))
    slugs = {system.slug for system in board.systems}
    assert {"codec", "codec-layers1", "codec-layers3", "bridge-100pct-nfe4"} <= slugs
    assert [board.title(s) for s in board.systems if s.slug == "codec-layers1"] == [
        "codec (first code)"
    ]


def test_rows_go_codec_by_codec_with_anchors_first(board: Board) -> None:
    slugs = [system.slug for system in board.systems_of("test")]
    assert slugs[:7] == [
        "copy", "opus-24kbps", "opus-12kbps", "prequantized-tiny", "codec-tiny",
        "codec-layers2-tiny", "coarse-tiny",
    ]  # fmt: skip
    assert slugs.index("prequantized-slow") > slugs.index("regression-10pct-nfe1-tiny")
    assert list(board.codecs) == ["tiny", "slow"]


def test_anchors_are_found_for_all_codes_of_the_codec_asked_for(board: Board) -> None:
    for name in ("tiny", "slow"):
        found = board.anchor("codec", "test", name)
        assert found and found.slug == f"codec-{name}" and found.any.layers is None
        copy = board.anchor("copy", "test", name)
        assert copy and copy.slug == "copy"


def test_a_codec_cut_short_alone_is_no_topline(tmp_path: Path) -> None:
    store = build_store(tmp_path, Options(sizes=(), metrics=("estoi",), layers=(2,)))
    store.discard("evaluations", "eval-codec-none-0-test")
    board = load_board(store)
    assert board.anchor("codec", "test", "tiny") is None
    assert {check.left for check in anchor_order(board, "test")} == {"copy"}


def test_contrasts_are_with_the_same_codecs_coarse(board: Board) -> None:
    systems = full_size(chosen_systems(board, choose(board)))
    assert len(systems) == 2 * len(METHODS)
    estoi = next(metric for metric in board.metrics if metric.name == "estoi")
    for contrast in contrasts(board, "test", systems):
        assert abs(contrast.difference.mean) < 0.3
        coarse = board.anchor("coarse", "test", contrast.system.codec)
        if contrast.metric == estoi and coarse:
            own, floor = (s.scores_of("test", estoi) for s in (contrast.system, coarse))
            assert own and floor and paired(own, floor, estoi) == contrast.difference
    copy = next(system for system in board.systems if system.slug == "copy")
    assert board.coarse_of(copy, "test") is None


def test_anchor_order_is_checked_within_each_codec(board: Board) -> None:
    checks = [check for check in anchor_order(board, "test") if check.metric.name == "estoi"]
    assert [(c.codec, c.left) for c in checks] == [
        (name, left) for name in ("tiny", "slow") for left in ("copy", "prequantized", "codec")
    ]
    assert all(check.holds for check in checks)
    last = {check.codec: check.difference.mean for check in checks if check.left == "codec"}
    assert last["slow"] == pytest.approx(last["tiny"], abs=0.03)


def test_every_codec_has_a_top_tier_of_its_own(board: Board) -> None:
    estoi = next(metric for metric in board.metrics if metric.name == "estoi")
    tier = top_tier(board, "test", estoi)
    assert {slug.rpartition("-")[2] for slug in tier} == {"tiny", "slow"}
    assert not any(slug.startswith(("codec-", "opus")) for slug in tier)


def test_the_table_says_codec_layers_and_the_bit_rate_behind_each_row(board: Board) -> None:
    table = long_table(board).drop_duplicates("system").set_index("system")
    slow = 12.5 * (12 + 3 * 8)
    assert table["bitrate"].to_dict() == pytest.approx(
        {name: 6000.0 if name.endswith("-tiny") or name == "copy" else slow for name in table.index}
        | {"codec-layers2-tiny": 1500.0, "codec-layers2-slow": 12.5 * (12 + 8)}
        | {"opus-12kbps": 12_000.0, "opus-24kbps": 24_000.0}
    )
    assert table["codec"]["opus-12kbps"] == "opus"
    assert table["codec"]["bridge-100pct-nfe4-slow"] == "slow"
    assert table["layers"]["codec-layers2-slow"] == 2 and pd.isna(table["layers"]["codec-slow"])


def test_choices_name_their_codec(board: Board) -> None:
    choices = choose(board)
    assert len({(c.label, c.codec, c.data_label) for c in choices}) == len(choices) == 16


def test_pages_say_which_codec(site: Path) -> None:
    assert check_links(site) > 200
    index = text(site / "index.html")
    assert "best of its codec, or not set apart from it" in index
    assert "1 × 4096 + 3 × 256, 12.5/s" in index
    assert "copy > prequantized (slow)".replace(">", "&gt;") in index
    facts = text(site / "codecs.html")
    assert f"slow {SLOW.bit_rate / 1000:.3g} 1 × 4096 + 3 × 256 12.5 24000 128 1 CC-BY-4.0" in facts
    assert "regression · slow" in text(site / "systems/regression-100pct-nfe1-slow.html")
    assert "first 2 of 4 codes" in text(site / "systems/codec-layers2-slow.html")
    assert "slow codec" not in text(site / "systems/opus-12kbps.html")
    assert not (site / "codebooks.html").exists()


def test_figures_hold_one_codecs_methods_against_its_own_levels(site: Path) -> None:
    names = {path.name for path in (site / "plots").glob("*-dark.svg")}
    for name in ("tiny", "slow"):
        assert f"data-{name}-test-estoi-dark.svg" in names
        assert any(n.startswith(f"nfe-bridge-{name}-") and "estoi" in n for n in names)
    assert "rate-test-estoi-dark.svg" in names
    page = (site / "curves.html").read_text(encoding="utf-8")
    alts = [part for part in page.split('alt="') if part.startswith("ESTOI on slow over hours")]
    level = float(alts[0].split("coarse: ")[-1].split(".</")[0].split('."')[0])
    assert level == pytest.approx(0.25, abs=0.05) and math.isfinite(level)
