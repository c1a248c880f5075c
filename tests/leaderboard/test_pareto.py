"""The Pareto page: known fronts, tests that are paired, what is and is not shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from site_pages import check_links, text
from synthetic_store import Options, build_store, codec

from harness.store import Store
from leaderboard.board import Board
from leaderboard.compare import paired
from leaderboard.label_places import place_labels
from leaderboard.parents import parent_contrasts
from leaderboard.pareto import (
    Axes,
    Point,
    axis_pairs,
    competitors,
    dominator,
    non_dominated,
    pareto,
)
from leaderboard.plots import chart
from leaderboard.render import publish
from leaderboard.selection import choose, chosen_systems
from leaderboard.statistics import Estimate

TILTS = {
    ("regression", "wer"): 0.25, ("regression", "speaker_similarity"): -0.25,
    ("bridge", "wer"): -0.1, ("bridge", "speaker_similarity"): 0.25,
    ("hybrid", "wer"): 0.2, ("hybrid", "speaker_similarity"): 0.2,
}  # fmt: skip
OPTIONS = Options(
    splits={"test": 50, "valid": 3}, speakers=10, sizes=("100%",), checkpoints=("last", "best"),
    metrics=("estoi", "wer", "speaker_similarity", "dnsmos"), method_layers=(2, 8),
    methods={"coarse_to_fine": 0.4, "regression": 0.6, "bridge": 0.6, "hybrid": 0.6},
    tilt=lambda system, metric: TILTS.get((system, metric), 0.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def axes(board: Board) -> Axes:
    return axis_pairs(board.metrics_of("test"))[0]


class Named:
    """Stands in for a system where only its name is read."""

    def __init__(self, slug: str) -> None:
        self.slug = slug


def points(*values: tuple[float, float]) -> list[Point]:
    def at(value: float) -> Estimate:
        return Estimate(value, value, value, 1, 1)

    return [
        Point(Named(f"p{i}"), at(x), at(y))  # type: ignore[arg-type]
        for i, (x, y) in enumerate(values)
    ]


def test_axes_are_content_against_quality(board: Board) -> None:
    assert [(x.name, y.name) for x, y in axis_pairs(board.metrics_of("test"))] == [
        ("wer", "speaker_similarity"), ("wer", "dnsmos"),
    ]  # fmt: skip


def test_the_front_is_what_none_dominates(axes: Axes) -> None:
    found = non_dominated(points((0.2, 0.8), (0.1, 0.5), (0.1, 0.6), (0.3, 0.8), (0.4, 0.7)), axes)
    assert [entry.system.slug for entry in found] == ["p2", "p0"]
    tied = non_dominated(points((0.2, 0.8), (0.2, 0.8), (0.3, 0.8)), axes)
    assert [entry.system.slug for entry in tied] == ["p0", "p1"]


def test_the_front_of_random_points_by_the_definition(axes: Axes) -> None:
    drawn = np.random.default_rng(3).integers(0, 12, (200, 2)) / 12
    every = points(*map(tuple, drawn))
    front = {entry.system.slug for entry in non_dominated(every, axes)}
    for (x, y), entry in zip(drawn, every, strict=True):
        beaten = ((drawn[:, 0] <= x) & (drawn[:, 1] >= y) & ((drawn != (x, y)).any(1))).any()
        assert (entry.system.slug in front) == (not beaten)
        if beaten:
            by = dominator(entry, non_dominated(every, axes), every, axes)
            assert by.x.mean <= x and by.y.mean >= y and by.system.slug in front


def test_systems_compete_at_their_largest_size_with_all_codes(board: Board, axes: Axes) -> None:
    systems = competitors(board, "test", "tiny")
    assert len(systems) == 2 * (1 + 1 + 2 + 1)  # checkpoints, NFE of the bridge
    assert {s.data_label for s in systems} == {"100%"} and not any(s.partial for s in systems)
    found = pareto(systems, "test", axes)
    families = {entry.system.family for entry in found.front}
    assert "coarse_to_fine" not in families
    assert len(found.front) + len(found.dominated) == len(systems) and not found.left_out


def test_dominance_is_tested_on_shared_utterances_and_corrected(board: Board, axes: Axes) -> None:
    found = pareto(competitors(board, "test", "tiny"), "test", axes)
    for entry, versus in found.dominated:
        assert versus.right is entry.system and versus.x and versus.y
        for test, metric in zip((versus.x, versus.y), axes, strict=True):
            left, right = (s.scores_of("test", metric) for s in (versus.left, versus.right))
            assert left and right and test.difference == paired(left, right, metric)
            assert test.p_holm >= test.difference.p
        if entry.system.family == "coarse_to_fine":  # far behind on both axes
            assert versus.dominance == "shown in both"


def test_a_hybrid_is_held_against_parents_trained_alike(board: Board) -> None:
    chosen = chosen_systems(board, choose(board))
    metrics = board.metrics_of("test")
    found = parent_contrasts(chosen, "test", "tiny", metrics)
    assert len(found) == 2 * 2  # parents, checkpoints
    for entry in found:
        child, parent = entry.child.any, entry.parent.any
        assert (child.data_size, child.seed, child.checkpoint) == (
            parent.data_size, parent.seed, parent.checkpoint,
        )  # fmt: skip
    by_metric = {metric.name: i for i, metric in enumerate(metrics)}
    for entry in found:
        wer, similarity = (entry.tests[by_metric[n]] for n in ("wer", "speaker_similarity"))
        assert wer and similarity
        if entry.parent.any.method.name == "bridge":
            assert wer.verdict == "better" and wer.difference.mean < 0
        else:
            assert similarity.verdict == "better"


def test_the_page_draws_the_front_and_says_what_is_shown(store: Store, tmp_path: Path) -> None:
    site = tmp_path / "site"
    publish(store, site)
    assert check_links(site) > 200
    words = text(site / "pareto.html")
    assert "The front is one of point estimates" in words
    assert "on the front" in words and "dominated by" in words and "shown in both" in words
    assert "Hybrid minus its parents" in words and "100% of the training data" in words
    names = {path.name for path in (site / "plots").glob("pareto-*")}
    assert len(names) == 4 and sum(name.endswith("-dark.svg") for name in names) == 2
    page = (site / "pareto.html").read_text(encoding="utf-8")
    assert "The front, best WER first: 1 " in page
    assert 'href="pareto.html" aria-current="page"' in page


def test_dwer_stands_in_where_there_is_no_wer(tmp_path: Path) -> None:
    options = Options(
        sizes=("100%",),
        metrics=("estoi", "dwer", "visqol"),
        codecs=(codec(), codec("other")),
        methods={"regression": 0.6, "bridge": 0.6},
    )
    publish(build_store(tmp_path / "store", options), tmp_path / "site")
    words = text(tmp_path / "site/pareto.html")
    assert "On test · tiny" in words and "On test · other" in words
    assert "ViSQOL (speech) against dWER" in words and "against WER" not in words
    assert "Hybrid" not in words


def test_without_both_kinds_of_metric_the_page_says_so(tmp_path: Path) -> None:
    options = Options(sizes=("100%",), metrics=("estoi", "wer"), methods={"regression": 0.6})
    publish(build_store(tmp_path / "store", options), tmp_path / "site")
    assert "No test split has both a content metric" in text(tmp_path / "site/pareto.html")


def test_labels_keep_clear_of_each_other() -> None:
    with chart(6, 4) as (_, drawing):
        drawing.set_xlim(0, 1)
        drawing.set_ylim(0, 1)
        place_labels(drawing, [("one", 0.5, 0.5, True), ("two", 0.51, 0.5, False)])
        places = [note.xyann for note in drawing.texts]
    assert len(set(places)) == 2
