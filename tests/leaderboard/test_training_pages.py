"""Overfitting, method cards and budgets: values come from the trials. Data is synthetic."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from site_pages import Page, check_links, text
from synthetic_records import codec, method_facts, trial_record, valid_loss
from synthetic_store import Options, build_store

from leaderboard.board import Board, load_board
from leaderboard.budgets import flops_deviations, parameter_deviations
from leaderboard.loss_pages import learning_curve
from leaderboard.method_cards import card_id, method_cards
from leaderboard.overfitting import Overfit, overfit_rows
from leaderboard.render import publish
from leaderboard.training_plots import MOST_POINTS, binned
from leaderboard.trials import BoardTrial, board_trials

OPTIONS = Options(
    metrics=("estoi",), seeds=(0, 1), splits={"test": 4, "valid": 3},
    methods={"regression": 0.6, "bridge": 0.6, "flow": 0.6, "hybrid": 0.61, "distilled": 0.59,
             "requantized": 0.58},
    trial_changes={"hybrid": {"parameters": 1_600_000, "critic_parameters": 250_000},
                   "flow": {"flops": 6.4e13}},
)  # fmt: skip


@pytest.fixture(scope="module")
def trials(board: Board) -> list[BoardTrial]:
    return board_trials(board)


def test_each_trial_is_there_once_under_its_own_method(trials: list[BoardTrial]) -> None:
    ids = [trial.record.id for trial in trials]
    assert len(ids) == len(set(ids)) == 5 * 2 * 2  # requantized has none of its own
    assert {trial.label for trial in trials} == {
        "regression", "bridge", "flow", "hybrid", "distilled",
    }  # fmt: skip
    assert all(trial.listed for trial in trials)


def test_overfitting_is_the_rise_of_the_last_loss_over_the_lowest(
    trials: list[BoardTrial],
) -> None:
    for row in overfit_rows(trials):
        found, small = row.found, row.found.trial.record.data_size.label == "10%"
        size = "10%" if small else "100%"
        lowest, last = valid_loss(size, found.best_step), valid_loss(size, 500)
        assert (found.best_step, found.last_step) == (200 if small else 500, 500)
        assert (found.best, found.last) == pytest.approx((lowest, last))
        assert found.rise == pytest.approx((last - lowest) / lowest)
        assert found.past_minimum == small


def test_what_was_never_validated_has_no_rise() -> None:
    record = trial_record("t", method_facts("bridge", "bridge"), codec(), "10%", 0)
    unvalidated = tuple(p.model_copy(update={"valid": None}) for p in record.curve)
    trial = BoardTrial(record.model_copy(update={"curve": unvalidated}), "bridge", "", True, ())
    found = Overfit.of(trial)
    assert math.isnan(found.rise) and not found.past_minimum
    assert overfit_rows([trial])[0].rise.text == "\N{EN DASH}"


def test_curves_mark_the_minimum_and_average_what_is_long() -> None:
    record = trial_record("t", method_facts("bridge", "bridge"), codec(), "10%", 0)
    curve = learning_curve(record, "10%")
    assert curve.best == (200, pytest.approx(valid_loss("10%", 200)))
    assert curve.valid[-1][0] == 500 and len(curve.train) == 50
    assert binned(curve.train) == list(curve.train)
    long = tuple((step, float(step)) for step in range(1000))
    short = binned(long)
    assert len(short) == MOST_POINTS and all(step == value for step, value in short)
    assert sum(v for _, v in short) / len(short) == pytest.approx(499.5, abs=1)


def test_a_teachers_training_counts(trials: list[BoardTrial]) -> None:
    pupil = next(trial for trial in trials if trial.label == "distilled")
    assert [t.method.name for t in pupil.teachers if t] == ["bridge"]
    assert (pupil.taught_flops, pupil.total_flops) == (6.2e13, 12.4e13)
    budgets = flops_deviations(trials)
    found = budgets["distilled", "tiny", "100%"]
    assert found.flagged and found.methods == 5
    assert found.relative == pytest.approx(1.0)
    assert not budgets["flow", "tiny", "100%"].flagged  # 3.2 % above


def test_only_large_departures_from_the_median_are_flagged(trials: list[BoardTrial]) -> None:
    found = parameter_deviations(trials)
    assert {label for (label, _), deviation in found.items() if deviation.flagged} == {"hybrid"}
    assert found["hybrid", "tiny"].relative == pytest.approx(1.6 / 1.4 - 1)


def test_a_teacher_whose_record_is_absent_is_unknown_not_free(tmp_path: Path) -> None:
    options = Options(sizes=("100%",), metrics=("estoi",), methods={"distilled": 0.6})
    store = build_store(tmp_path, options)
    board = load_board(store)
    taught = board_trials(board)
    assert [trial.label for trial in taught] == ["distilled", "bridge (teacher of distilled)"]
    assert not taught[1].listed and len(parameter_deviations(taught)) == 1
    store.discard("trials", "trial-bridge-100")
    (alone,) = board_trials(load_board(store))
    assert alone.teachers == (None,) and alone.total_flops is None
    assert flops_deviations([alone]) == {}
    publish(store, tmp_path / "site")
    assert "record absent" in text(tmp_path / "site/methods.html")


def test_a_borrowed_trial_is_named_after_its_own_method(tmp_path: Path) -> None:
    options = Options(sizes=("100%",), metrics=("estoi",), methods={"requantized": 0.6})
    board = load_board(build_store(tmp_path, options))
    (trial,) = board_trials(board)
    assert (trial.label, trial.listed) == ("regression (for requantized)", False)
    card = next(c for c in method_cards(board, [trial]) if c.facts.name == "requantized")
    assert card.trials == () and card.borrowed == (trial,)


def test_there_is_a_card_per_method_and_every_system_leads_to_it(
    board: Board, trials: list[BoardTrial], site: Path
) -> None:
    cards = method_cards(board, trials)
    assert {card.facts.name for card in cards} == {s.any.method.name for s in board.systems}
    assert [card.facts.kind for card in cards][-4:] == ["anchor"] * 4
    bridge = next(card for card in cards if card.facts.name == "bridge")
    assert bridge.nfes == (1, 4) and len(bridge.trials) == 4 and not bridge.flags
    assert [row.rtf.text for row in bridge.costs] == ["0.015", "0.027"]
    page = Page(site / "methods.html")
    for system in board.systems:
        link = f"../methods.html#{card_id(system.any.method.name)}"
        assert link in Page(site / f"systems/{system.slug}.html").urls
    assert {card.anchor_id for card in cards} <= set(page.ids)
    assert check_links(site) > 200


def test_pages_say_budgets_flags_and_overfitting(site: Path) -> None:
    words = text(site / "methods.html")
    assert "hybrid: parameters +14.3 % from the median of trained methods" in words
    assert "distilled, 100% of the data: training FLOPs, with its teachers’, +100.0 % from" in words
    assert "used as it is: this method trains nothing of its own" in words
    assert "1,600,000 250,000 500 450,000 6.20e+13 none 50 1.0 1" in words
    curves = text(site / "curves.html")
    rise = 100 * (valid_loss("10%", 500) / valid_loss("10%", 200) - 1)
    assert f"+{rise:.2f} % past its minimum" in curves
    assert curves.count("past its minimum") == 10
    system = text(site / "systems/bridge-10pct-nfe4-seed0.html")
    assert "500, lowest validation loss at step 200" in system
    assert "50 s, 1.0 % of it waiting for data, on 1 rank" in system
    images = (site / "curves.html").read_text(encoding="utf-8")
    assert "10% (0.12 h), seed 0: training loss from" in images
    assert "bridge: loss over training steps, one line per seed (2)" in images
