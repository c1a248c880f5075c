"""The published tables: schema, values, coverage, and what they leave out. Data is synthetic."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_store import DEFAULT_METRICS, Options, build_store

from leaderboard.aggregate import long_table, selection_table, write_tables
from leaderboard.board import Board, load_board
from leaderboard.compare import anchor_order, contrasts, top_tier
from leaderboard.selection import choose, chosen_systems, full_size
from leaderboard.statistics import mean_estimate

HEADER = (
    "system,method,variant,codec,bitrate,data_size,nfe,layers,seed,sample,split,metric,mean,"
    "ci_low,ci_high,n,n_speakers,n_missing,n_not_applicable,unit,higher_is_better"
)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return load_board(build_store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def table(board: Board) -> pd.DataFrame:
    return long_table(board)


def test_csv_has_the_contracts_header_and_one_row_per_system_split_and_metric(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    write_tables(table, tmp_path, "leaderboard")
    text = (tmp_path / "leaderboard.csv").read_text()
    assert text.splitlines()[0] == HEADER
    rows = list(csv.DictReader(text.splitlines()))
    assert len({(r["system"], r["split"], r["metric"]) for r in rows}) == len(rows)
    row = next(r for r in rows if r["system"] == "bridge-100pct-nfe4" and r["metric"] == "estoi")
    assert (row["data_size"], row["nfe"], row["seed"], row["layers"]) == ("100%", "4", "0", "")
    assert row["bitrate"] == "6000.0"
    coarse = next(r for r in rows if r["system"] == "coarse")
    assert (coarse["seed"], coarse["sample"], coarse["data_size"]) == ("", "", "")


def test_parquet_and_json_hold_the_same_rows(table: pd.DataFrame, tmp_path: Path) -> None:
    write_tables(table, tmp_path, "leaderboard")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "leaderboard.parquet"), table)
    rows = json.loads((tmp_path / "leaderboard.json").read_text())
    assert len(rows) == len(table)
    copy = next(r for r in rows if r["system"] == "copy" and r["metric"] == "si_snr")
    assert (copy["mean"], copy["ci_low"]) == ("inf", None)


def test_values_come_from_the_score_tables(board: Board, table: pd.DataFrame) -> None:
    row = table[(table.system == "bridge-100pct-nfe4") & (table.metric == "pesq")].iloc[0]
    path = board.store.folder("scores", "score-eval-bridge-100-4-test-pesq") / "table.parquet"
    scores = pd.read_parquet(path)
    expected = mean_estimate(scores["value"], scores["speaker"].tolist())
    found = (row["mean"], row["ci_low"], row["ci_high"])
    assert found == pytest.approx((expected.mean, expected.low, expected.high))


def test_wer_is_total_errors_over_total_words(board: Board, table: pd.DataFrame) -> None:
    row = table[(table.system == "coarse") & (table.metric == "wer")].iloc[0]
    path = board.store.folder("scores", "score-eval-coarse-none-0-test-wer") / "table.parquet"
    scores = pd.read_parquet(path)
    assert row["mean"] == scores["errors"].sum() / scores["words"].sum()
    assert (row["n"], row["n_missing"], row["n_not_applicable"]) == (11, 0, 1)


def test_missing_and_not_applicable_are_counted_apart(table: pd.DataFrame) -> None:
    row = table[(table.system == "regression-100pct-nfe1") & (table.metric == "pesq")].iloc[0]
    assert (row["n"], row["n_missing"], row["n_not_applicable"]) == (11, 1, 0)


def test_costs_are_rows_without_an_interval(table: pd.DataFrame) -> None:
    costs = table[table.system == "bridge-100pct-nfe4"].set_index("metric")
    for name, value in [
        ("real_time_factor", 0.027),
        ("counted_nfe", 4),
        ("flops_per_second", 8.4e8),
    ]:
        assert costs["mean"][name] == pytest.approx(value)
        assert np.isnan(costs["ci_low"][name])


def test_the_selection_split_has_no_rows_but_chooses(board: Board, table: pd.DataFrame) -> None:
    assert set(table["split"]) == {"test"}
    choices = choose(board)
    bridge = [c for c in choices if c.label == "bridge"]
    assert {len(c.candidates) for c in bridge} == {2}
    for choice in bridge:
        best = max(choice.candidates, key=lambda candidate: candidate.mean)
        assert choice.nfe == best.nfe
    picked = selection_table(choices).query("chosen")
    assert len(picked) == len(choices) == 8  # 4 methods x 2 data sizes


def test_contrasts_take_the_full_data_size_at_the_chosen_nfe(board: Board) -> None:
    systems = full_size(chosen_systems(board, choose(board)))
    assert sorted(s.any.method.name for s in systems) == [
        "bridge", "coarse_to_fine", "parallel_tokens", "regression",
    ]  # fmt: skip
    assert {s.data_label for s in systems} == {"100%"}
    found = contrasts(board, "test", systems)
    assert len(found) == 4 * len(DEFAULT_METRICS)
    assert all(c.p_holm >= c.difference.p for c in found)
    estoi = next(c for c in found if c.system.label == "bridge" and c.metric.name == "estoi")
    assert estoi.verdict == "better"


def test_a_lower_wer_is_a_gain(board: Board) -> None:
    checks = {(c.left, c.metric.name): c for c in anchor_order(board, "test")}
    wer = checks[("codec", "wer")]
    assert wer.difference.mean < 0
    assert wer.holds
    assert checks[("copy", "si_snr")].holds  # infinitely far above


def test_the_top_tier_holds_the_best_method_and_no_anchor(board: Board) -> None:
    estoi = next(m for m in board.metrics if m.name == "estoi")
    tier = top_tier(board, "test", estoi)
    assert not tier & {"copy", "prequantized", "codec", "coarse"}
    table = long_table(board).query("metric == 'estoi' and seed == 0")
    assert table.sort_values("mean")["system"].tolist()[-1] in tier
    assert "parallel_tokens-10pct-nfe1" in set(table["system"].tolist()) - tier


def test_several_speakers_are_counted(tmp_path: Path) -> None:
    store = build_store(tmp_path, Options(speakers=4, metrics=("estoi",), sizes=("100%",)))
    rows = long_table(load_board(store)).query("metric == 'estoi'")
    assert set(rows["n_speakers"]) == {4}
