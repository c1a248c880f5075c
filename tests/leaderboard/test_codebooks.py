"""The requantization study's page: known slopes come back, and it is there only when it can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from site_pages import Page, check_links, text
from synthetic_store import Options, build_store
from synthetic_study import ERRORS, RECONSTRUCTION, SLOPES, study

from harness.store import Store
from leaderboard.board import Board, load_board
from leaderboard.compare import Tested
from leaderboard.metric_keys import MetricKey
from leaderboard.render import publish
from leaderboard.selection import choose, chosen_systems
from leaderboard.statistics import (
    Difference,
    combined_means,
    combined_ratios,
    mean_difference,
    mean_estimate,
    ratio_difference,
    slope_weights,
)
from leaderboard.study import Group, groups
from leaderboard.study_contrasts import Gap, gaps, slopes
from leaderboard.study_words import reading

X = tuple(ERRORS.values())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    options = Options(splits={"test": 36, "valid": 6}, speakers=6, metrics=("estoi", "wer"))
    return build_store(tmp_path_factory.mktemp("store"), study(options))


@pytest.fixture(scope="module")
def board(store: Store) -> Board:
    return load_board(store)


@pytest.fixture(scope="module")
def arms(board: Board) -> list[Group]:
    return groups(board, chosen_systems(board, choose(board)))


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "site"
    publish(store, out)
    return out


def metric(board: Board, name: str) -> MetricKey:
    return next(key for key in board.metrics if key.name == name)


def test_arms_hold_their_series_over_k(arms: list[Group]) -> None:
    assert [(arm.arm.kept, arm.codebooks) for arm in arms] == [(1, 8), (0, 8)]
    for arm in arms:
        found = {series.label: series for series in arm.series}
        assert set(found) == {
            "coarse_to_fine", "regression", "regression (embedding)", "codec (all N codes)",
            "coarse (x1 alone)",
        }  # fmt: skip
        for series in found.values():
            assert {p.entries: p.error_db for p in series.points} == ERRORS
            assert not any(point.system.partial for point in series.points)


def test_known_slopes_are_recovered(board: Board, arms: list[Group]) -> None:
    known = {
        "coarse_to_fine": SLOPES["coarse_to_fine"],
        "regression": 0.0,
        "regression (embedding)": SLOPES["regression/embedding"],
        "codec (all N codes)": RECONSTRUCTION,
        "coarse (x1 alone)": 0.0,
    }
    for arm in arms:
        found = slopes(arm, "test", [metric(board, "estoi")])
        for slope in found:
            truth, test = known[slope.series.label], slope.test
            assert test.difference.mean == pytest.approx(truth, abs=0.004)
            assert slope.count == 3 and test.p_holm >= test.difference.p
            if abs(truth) >= 0.008:
                assert test.p_holm < 0.05


def test_a_slope_is_the_mean_of_the_utterances_least_squares_slopes(
    board: Board, arms: list[Group]
) -> None:
    estoi = metric(board, "estoi")
    slope = slopes(arms[0], "test", [estoi])[0]
    tables = [point.system.scores[("test", "estoi")].table for point in slope.series.points]
    errors = [point.error_db for point in slope.series.points]
    values = np.stack([table.sort_index()["value"].to_numpy(float) for table in tables])
    own = np.polyfit(errors, values, 1)[0]
    expected = mean_estimate(own, tables[0].sort_index()["speaker"].tolist())
    found = slope.test.difference
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )


def test_the_gap_is_paired_and_its_slope_is_the_difference_of_slopes(
    board: Board, arms: list[Group]
) -> None:
    estoi = metric(board, "estoi")
    single = {s.series.label: s.test.difference for s in slopes(arms[0], "test", [estoi])}
    found = gaps(arms[0], "test", [estoi])
    assert [(gap.left.label, gap.right.label) for gap in found] == [
        ("regression", "coarse_to_fine"), ("regression", "regression (embedding)"),
    ]  # fmt: skip
    gap = found[0]
    assert gap.slope is not None
    difference = gap.slope.difference
    assert difference.mean == pytest.approx(
        single["regression"].mean - single["coarse_to_fine"].mean
    )
    assert difference.low < 0.02 < difference.high
    assert set(gap.tests) == set(ERRORS)
    assert all(test.p_holm >= test.difference.p for test in gap.tests.values())
    family = [test.difference.p for entry in found for test in entry.tests.values()]
    assert min(t.p_holm for e in found for t in e.tests.values()) == pytest.approx(
        min(1.0, min(family) * len(family))
    )


def test_an_error_rates_slope_is_that_of_the_total_rate(board: Board, arms: list[Group]) -> None:
    wer = metric(board, "wer")
    slope = slopes(arms[0], "test", [wer])[0]
    rates = []
    for point in slope.series.points:
        rows = point.system.scores[("test", "wer")].scored
        rates.append(rows["errors"].sum() / rows["words"].sum())
    errors = [point.error_db for point in slope.series.points]
    assert slope.test.difference.mean == pytest.approx(np.polyfit(errors, rates, 1)[0])


def test_combinations_hold_the_paired_differences_as_a_case() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 30))
    words = rng.integers(5, 15, size=(2, 30))
    speakers = [f"s{i % 5}" for i in range(30)]
    plain = mean_difference(x, y, speakers)
    combined = combined_means([x, y], [1, -1], speakers)
    assert (combined.mean, combined.low, combined.p) == pytest.approx(
        (plain.mean, plain.low, plain.p)
    )
    rates = ratio_difference((x, words[0]), (y, words[1]), speakers)
    both = combined_ratios([(x, words[0]), (y, words[1])], [1, -1], speakers)
    assert (both.mean, both.low, both.p) == pytest.approx((rates.mean, rates.low, rates.p))
    assert np.isnan(combined_means([x, np.full(30, np.inf)], [1, -1], speakers).mean)
    with pytest.raises(ValueError, match="two different"):
        slope_weights([-8.0, -8.0])


def test_readings_say_no_more_than_the_intervals(board: Board, arms: list[Group]) -> None:
    estoi, wer = metric(board, "estoi"), metric(board, "wer")
    series = arms[0].series

    def gap(key: MetricKey, overall: float, slope: float, p: float, half: float = 0.01) -> Gap:
        difference = Difference(slope, slope - half, slope + half, p, 30, 6)
        mean = Difference(overall, overall - 0.02, overall + 0.02, 0.01, 30, 6)
        return Gap(series[0], series[1], key, {256: Tested(key, mean, 0.01)}, mean,
                   Tested(key, difference, p))  # fmt: skip

    left, right = series[0].label, series[1].label
    grows = reading(gap(estoi, 0.1, 0.05, 0.001))
    assert f"in favour of {left}, grows by 0.0500 [0.0400, 0.0600] per dB" in grows
    assert f"in favour of {right}, shrinks by 0.0500" in reading(gap(estoi, -0.1, 0.05, 0.001))
    assert f"in favour of {left}, grows by 0.0500" in reading(gap(wer, -0.1, -0.05, 0.001))
    assert f"{left} gains 0.0500 [0.0400, 0.0600] on {right}" in reading(
        gap(estoi, 0.0, 0.05, 0.01)
    )
    assert "(before correction only)" in reading(gap(estoi, 0.1, 0.05, 0.2))
    unsure = reading(gap(estoi, 0.1, 0.005, 0.4))
    assert "is not shown: +0.0050 [\N{MINUS SIGN}0.0050, +0.0150] per dB" in unsure
    assert "grows" not in unsure
    assert f"{left} is better than {right} at 1 of 1 K and worse at 0" in unsure


def test_the_page_shows_errors_figures_slopes_and_a_reading(site: Path) -> None:
    assert check_links(site) > 200
    words = text(site / "codebooks.html")
    assert "clustered by speaker (6 speakers" in words and "conditional" not in words
    assert "tiny: codebook 1 held fixed" in words and "tiny: all codebooks refitted" in words
    assert "-8.00 dB".replace("-", "\N{MINUS SIGN}") in words and "98.0 % used 7.50 bits" in words
    assert "Holm-corrected over the 10 tests" in words  # 5 series x 2 metrics
    assert "Holm-corrected over the 12 tests" in words  # 2 pairs x 3 K x 2 metrics
    assert "ESTOI: regression is better than coarse_to_fine at" in words
    names = [Path(url).name for url in Page(site / "codebooks.html").urls if url.endswith(".svg")]
    for part in ("error-tiny-kept1", "codes-tiny-kept0-seed0-test-estoi", "study-tiny-kept1-seed0"):
        assert any(name.startswith(f"codebooks-{part}") for name in names), part
        assert any(name.startswith(f"codebooks-{part}") and "-dark" in name for name in names)
    assert "codebooks.html" in Page(site / "index.html").urls
    assert "../codebooks.html" in Page(site / "systems/copy.html").urls


def test_every_value_is_in_the_table(site: Path) -> None:
    table = pd.read_csv(site / "data/codebooks.csv")
    counts = table.groupby("quantity").size().to_dict()
    assert counts == {
        "quantization error": 60, "mse": 60, "usage": 60, "entropy": 60,
        "reconstruction": 6 * 3 * 2, "resynthesis": 2 * 5 * 3 * 2, "slope": 2 * 5 * 2,
        "gap": 2 * 2 * 3 * 2, "gap slope": 2 * 2 * 2,
    }  # fmt: skip
    point = table.query(
        "quantity == 'resynthesis' and series == 'coarse_to_fine' and entries == 512 and kept == 0"
    )
    assert set(point["error_db"]) == {-10.0} and point["ci_low"].notna().all()
    cut = table.query("quantity == 'reconstruction' and codebooks == 4 and entries == 256")
    assert set(cut["error_db"]) == {-4.0}


def test_one_voice_is_said_on_the_page(tmp_path: Path) -> None:
    options = study(Options(splits={"test": 12, "valid": 4}, metrics=("estoi",)))
    publish(build_store(tmp_path / "store", options), tmp_path / "site")
    assert "conditional on this voice (one speaker)" in text(tmp_path / "site/codebooks.html")


def test_without_refitted_codebooks_there_is_no_page_and_no_link(tmp_path: Path) -> None:
    options = Options(splits={"test": 4, "valid": 4}, sizes=("100%",), metrics=("estoi",))
    publish(build_store(tmp_path / "store", options), tmp_path / "site")
    assert not (tmp_path / "site/codebooks.html").exists()
    assert not (tmp_path / "site/data/codebooks.csv").exists()
    for path in (tmp_path / "site").rglob("*.html"):
        assert not any("codebooks" in url for url in Page(path).urls)


def test_without_trained_methods_the_page_shows_the_quantizers_alone(tmp_path: Path) -> None:
    options = study(Options(splits={"test": 4, "valid": 4}, metrics=("estoi",)))
    options = replace(options, methods={}, codecs=options.codecs[:4])
    publish(build_store(tmp_path / "store", options), tmp_path / "site")
    words = text(tmp_path / "site/codebooks.html")
    assert "No method trained on a refitted codec has been scored" in words
    assert "Reconstruction from the first n codes" in words and "98.0 % used" in words
