"""The sensitivity page: effects that are known come back, blindness is said, infinity is shown."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau
from site_pages import Page, check_links, text
from synthetic_store import Options, build_store

from harness.records import EvaluationRecord, MethodFacts, RunRecord
from harness.store import Store, write_record
from leaderboard.board import Board, load_board
from leaderboard.render import publish
from leaderboard.sensitivity import KINDS, Graded, graded
from leaderboard.sensitivity_tests import Response, rank_correlation, responses
from leaderboard.statistics import holm, mean_estimate
from methods.artefacts.catalog import ARTEFACTS

METRICS = ("estoi", "pesq", "si_snr", "wer")
LEVELS = {
    "white_noise": (40.0, 20.0, 0.0), "band_limit": (7000.0, 3000.0), "monotone": (0.5, 1.0),
    "word_drop": (0.25, 0.75),
}  # fmt: skip
# What each step from mild to severe adds to a metric; where none is named, noise alone.
EFFECTS = {
    ("white_noise", "estoi"): (0.0, -0.2, -0.5),
    ("white_noise", "pesq"): (-0.5, -1.0, -2.0),
    ("white_noise", "si_snr"): (40.0, 20.0, 0.0),
    ("band_limit", "pesq"): (0.3, 0.6),
    ("word_drop", "wer"): (2.0, 6.0),
}


def build(root: Path) -> Store:
    """Write a synthetic store with degraded references beside its anchors."""
    options = Options(
        splits={"test": 24, "valid": 4}, speakers=6, metrics=METRICS, methods={}, opus=(6000, 24000)
    )
    store = build_store(root, options)
    run, rng = store.runs()[0], np.random.default_rng(3)
    evaluations, scores = list(run.evaluations), list(run.scores)
    for name, levels in LEVELS.items():
        for step, level in enumerate(levels):
            made = add_evaluation(store, name, level)
            evaluations.append(made)
            scores += [add_scores(store, made, name, step, metric, rng) for metric in METRICS]
    store.replace(run_with(run, evaluations, scores))
    return store


def run_with(run: RunRecord, evaluations: list[str], scores: list[str]) -> RunRecord:
    return run.model_copy(update={"evaluations": tuple(evaluations), "scores": tuple(scores)})


def add_evaluation(store: Store, name: str, level: float) -> str:
    copied = store.evaluation("eval-copy-none-0-test")
    identity = f"eval-degraded-{name}-{level:g}"
    method: MethodFacts = copied.method.model_copy(
        update={"name": "degraded", "variant": f"{name.replace('_', ' ')} {level:g}",
                "params": {"artefact": name, "level": level}}
    )  # fmt: skip
    record: EvaluationRecord = copied.model_copy(update={"id": identity, "method": method})
    with store.commit("evaluations", identity) as folder:
        for path in store.folder("evaluations", copied.id).glob("*.flac"):
            shutil.copy(path, folder)
        write_record(folder, record)
    return identity


def add_scores(
    store: Store, evaluation: str, name: str, step: int, metric: str, rng: np.random.Generator
) -> str:
    copied = store.score(f"score-eval-copy-none-0-test-{metric}")
    table = pd.read_parquet(store.folder("scores", copied.id) / "table.parquet")
    effect = EFFECTS.get((name, metric), (0.0, 0.0, 0.0))[step]
    scored = table["status"] == "scored"
    if metric == "wer":
        table.loc[scored, "errors"] = table.loc[scored, "errors"] + int(effect)
        table.loc[scored, "value"] = table.loc[scored, "errors"] / table.loc[scored, "words"]
    else:
        base = 10.0 if metric == "si_snr" else table.loc[scored, "value"]
        table.loc[scored, "value"] = base + effect + rng.normal(0, 0.01, int(scored.sum()))
    identity = f"score-{evaluation}-{metric}"
    with store.commit("scores", identity) as folder:
        table.to_parquet(folder / "table.parquet", index=False)
        write_record(folder, copied.model_copy(update={"id": identity, "evaluation": evaluation}))
    return identity


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def board(store: Store) -> Board:
    return load_board(store)


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "site"
    publish(store, out)
    return out


def answers(board: Board, name: str) -> dict[str, Response]:
    copy = next(system for system in board.systems if system.slug == "copy")
    key = next(metric for metric in board.metrics if metric.name == name)
    found = responses(copy, graded(board, "test"), "test", key)
    return {response.graded.name: response for response in found}


def test_every_artefact_can_be_shown() -> None:
    assert set(KINDS) == {*ARTEFACTS, "codec", "opus"}
    for name, artefact in ARTEFACTS.items():
        if artefact.identity is not None:  # more than the identity is worse
            assert KINDS[name].rising and artefact.identity <= 1


def test_levels_go_from_mild_to_severe(board: Board) -> None:
    found = {one.name: one for one in graded(board, "test")}
    assert list(found) == ["white_noise", "band_limit", "monotone", "word_drop", "codec", "opus"]
    assert found["white_noise"].levels == (40.0, 20.0, 0.0)
    assert found["monotone"].levels == (0.5, 1.0)
    assert found["opus"].levels == (24.0, 6.0)
    variants = [system.any.method.variant for system in found["white_noise"].systems]
    assert variants == ["white noise 40", "white noise 20", "white noise 0"]


def test_what_is_there_is_seen_from_its_level_on_and_nothing_else(board: Board) -> None:
    estoi, pesq, wer = (answers(board, name) for name in ("estoi", "pesq", "wer"))
    assert estoi["white_noise"].threshold == 1 and estoi["white_noise"].seen == (1, 2)
    assert estoi["monotone"].threshold is None and not estoi["monotone"].rewarded
    assert pesq["white_noise"].threshold == 0
    assert pesq["band_limit"].threshold is None and pesq["band_limit"].rewarded == (0, 1)
    assert wer["word_drop"].threshold == 0 and wer["white_noise"].threshold is None
    assert wer["white_noise"].follows is not None and wer["white_noise"].follows.mean == 0.0


def test_the_correction_spans_all_levels_of_a_metric(board: Board) -> None:
    found = answers(board, "estoi").values()
    tests = [test for response in found for test in response.tests if test]
    assert len(tests) == 9 + 1 + 2  # degraded, codec, opus
    adjusted = holm([test.difference.p for test in tests])
    assert [test.p_holm for test in tests] == pytest.approx(adjusted)


def test_the_rank_correlation_is_kendalls_within_each_utterance(board: Board) -> None:
    response = answers(board, "estoi")["white_noise"]
    systems = [board.systems[0], *response.graded.systems]
    tables = [system.scores["test", "estoi"].table.sort_index() for system in systems]
    values = np.stack([table["value"].to_numpy(float) for table in tables])
    own = [kendalltau(range(4), -column).statistic for column in values.T]
    expected = mean_estimate(own, tables[0]["speaker"].tolist())
    found = response.follows
    assert found is not None and expected.mean > 0.6
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )


def test_rank_correlation_takes_infinite_values_and_ties() -> None:
    values = np.array([[-np.inf, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0], [2.0, 1.0, 1.0, 0.0]])
    assert rank_correlation(values).tolist() == pytest.approx([1, 0, 2 / 3, -2 / 3])


def test_losses_are_set_against_the_codecs(board: Board) -> None:
    found = answers(board, "estoi")
    codec, noise = found["codec"].tests[-1], found["white_noise"]
    assert codec is not None and noise.relative is not None and noise.tests[-1] is not None
    span, change = codec.difference.mean, noise.tests[-1].difference
    assert noise.relative[0] == pytest.approx(change.mean / span) and noise.relative[0] > 1.5
    assert noise.relative[1] == pytest.approx(change.high / span)
    assert noise.relative[1] < noise.relative[0] < noise.relative[2]
    assert found["codec"].relative is not None and found["codec"].relative[0] == 1.0
    assert answers(board, "si_snr")["white_noise"].relative is None
    rewarded = answers(board, "pesq")["band_limit"].relative
    assert rewarded is not None and rewarded[0] < 0


def test_an_infinite_reference_is_shown_and_never_averaged(board: Board, site: Path) -> None:
    noisy = answers(board, "si_snr")["white_noise"]
    assert noisy.infinite and noisy.threshold == 0
    assert all(test and math.isnan(test.p_holm) for test in noisy.tests)
    assert noisy.follows is not None and noisy.follows.mean == 1.0
    words = text(site / "sensitivity.html")
    assert "∞: no test" in words and "own value is infinite, and is not drawn" in words


def test_the_page_says_what_is_seen_and_by_whom(site: Path) -> None:
    assert check_links(site) > 100
    words = text(site / "sensitivity.html")
    assert "24 utterances; 95 % intervals clustered by speaker (6 speakers" in words
    seen = "ESTOI: at no level is it shown to see band limit, monotone pitch and words dropped"
    assert seen in words
    assert "It scores band limit (7000 Hz and 3000 Hz) better than the reference" in words
    assert "words dropped: at its mildest, 0.25 of the words, it is seen by SI-SNR and WER" in words
    page = Page(site / "sensitivity.html")
    names = {Path(url).name for url in page.urls if url.endswith(".svg")}
    for metric in METRICS:
        assert any(name.startswith("sensitivity-test-") and metric in name for name in names)
    assert any(name.startswith("sensitivity-test-losses") for name in names)
    assert "systems/degraded-white-noise-40.html" in page.urls and not page.images_without_alt
    assert "sensitivity.html" in Page(site / "index.html").urls


def test_every_level_is_a_row_of_the_table(site: Path) -> None:
    table = pd.read_csv(site / "data/sensitivity.csv")
    assert len(table) == 12 * len(METRICS)
    row: Any = table.query(
        "artefact == 'white noise' and level == 20 and metric == 'estoi'"
    ).squeeze()
    assert row["step"] == 2 and row["seen"] and row["system"] == "degraded-white-noise-20"
    assert row["difference"] == pytest.approx(-0.2, abs=0.01)
    assert row["difference_low"] < row["difference"] < row["difference_high"]


def test_without_degraded_references_there_is_no_page(tmp_path: Path) -> None:
    options = Options(splits={"test": 4, "valid": 4}, methods={}, metrics=("estoi",))
    publish(build_store(tmp_path / "store", options), tmp_path / "site")
    assert not (tmp_path / "site/sensitivity.html").exists()
    for path in (tmp_path / "site").rglob("*.html"):
        assert not any("sensitivity" in url for url in Page(path).urls)


def test_a_split_without_the_reference_itself_is_left_out(store: Store, tmp_path: Path) -> None:
    shutil.copytree(store.root, tmp_path / "store")
    copied = Store.open(tmp_path / "store")
    run = copied.runs()[0]
    kept = [name for name in run.evaluations if "copy" not in name]
    copied.replace(run_with(run, kept, list(run.scores)))
    publish(copied, tmp_path / "site")
    assert not (tmp_path / "site/sensitivity.html").exists()


def test_levels_are_written_with_what_they_count(board: Board) -> None:
    one: Graded = graded(board, "test")[0]
    assert one.level_text(0) == "40 dB SNR"
