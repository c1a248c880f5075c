"""Splits and nested subsets, on the embedded corpus and on made-up manifests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data.corpus import Utterance, check_unique, nested_subset
from harness.data.embedded import EmbeddedCorpus
from harness.data.manifest import parse_manifest, write_manifest
from harness.data.read import read_utterance
from harness.errors import UserError

MakeRow = Callable[..., Utterance]


def hours(rows: list[Utterance]) -> float:
    return sum(row.seconds for row in rows) / 3600


def test_embedded_splits_are_as_promised() -> None:
    corpus = EmbeddedCorpus()
    test, voices = corpus.split("test"), corpus.split("test-voices")
    assert len(test) == 40
    assert {row.language for row in test} == {"en"}
    assert all(row.transcript and row.seconds >= 2.5 for row in test)
    assert set(Counter(row.voice for row in voices).values()) == {10}
    assert 75 < hours(list(corpus.utterances())) * 60 < 90
    assert len({row.sha256 for row in corpus.utterances()}) == len(corpus.utterances())


def test_subsets_are_nested_and_balanced_over_voices() -> None:
    train = EmbeddedCorpus().split("train")
    total = sum(row.seconds for row in train)
    longest = max(row.seconds for row in train)
    smaller: set[str] = set()
    for fraction in (0.1, 0.3, 1.0):
        subset = nested_subset(train, fraction * total)
        assert smaller < {row.id for row in subset}
        smaller = {row.id for row in subset}
        for voice in {row.voice for row in train}:
            own = sum(row.seconds for row in train if row.voice == voice)
            got = sum(row.seconds for row in subset if row.voice == voice)
            assert abs(got - fraction * own) <= 2 * longest
        assert abs(sum(row.seconds for row in subset) - fraction * total) <= longest / 2 + 1e-6
    assert smaller == {row.id for row in train}


def test_subset_does_not_depend_on_the_order_of_the_corpus() -> None:
    train = EmbeddedCorpus().split("train")
    assert nested_subset(train, 600) == nested_subset(train[::-1], 600)


def test_voices_with_one_utterance_each_do_not_all_get_in(make_row: MakeRow) -> None:
    rows = [make_row(f"u{n}", voice=f"v{n}", seconds=1.0 + n % 3) for n in range(200)]
    total = sum(row.seconds for row in rows)
    tenth = nested_subset(rows, 0.1 * total)
    assert sum(row.seconds for row in tenth) == pytest.approx(0.1 * total, abs=1.5)
    assert {row.seconds for row in tenth} == {1.0, 2.0, 3.0}


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_subset_of_nothing(make_row: MakeRow, seconds: float) -> None:
    with pytest.raises(UserError, match="must be above zero"):
        nested_subset([make_row("a")], seconds)


def test_subset_larger_than_the_corpus(make_row: MakeRow) -> None:
    with pytest.raises(UserError, match=r"larger than the training corpus \(1\.000 h\)"):
        nested_subset([make_row("a", seconds=3600.0)], 3601)


def test_unknown_split_names_the_nearest() -> None:
    with pytest.raises(UserError, match="no split 'tets'; did you mean 'test'"):
        EmbeddedCorpus().split("tets")


def test_duplicate_ids(make_row: MakeRow) -> None:
    with pytest.raises(UserError, match="'a' occurs more than once"):
        check_unique([make_row("a"), make_row("b"), make_row("a")], "mine")


def test_manifest_round_trip_with_line_separators(tmp_path: Path, make_row: MakeRow) -> None:
    rows = [make_row("a", transcript="one\u2028two\x85three", channel=1, start=0.5, stop=2.0)]
    write_manifest(rows, tmp_path / "m.jsonl")
    assert parse_manifest((tmp_path / "m.jsonl").read_text(encoding="utf-8"), "m") == rows


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: not a JSON object"),
        ('{"idd": 1}', "unknown key 'idd'; did you mean 'id'"),
        ('{"id": "a"}', "line 1: 'speaker': Field required"),
    ],
)
def test_bad_manifest_lines(line: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_manifest(line, "m")


def test_manifest_numbers_are_not_taken_from_strings(tmp_path: Path, make_row: MakeRow) -> None:
    write_manifest([make_row("a")], tmp_path / "m.jsonl")
    text = (tmp_path / "m.jsonl").read_text().replace('"seconds": 1.0', '"seconds": "1.0"')
    with pytest.raises(UserError, match="'seconds'"):
        parse_manifest(text, "m")


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_manifest_durations_are_positive(tmp_path: Path, make_row: MakeRow, seconds: float) -> None:
    write_manifest([make_row("a", seconds=seconds)], tmp_path / "m.jsonl")
    with pytest.raises(UserError, match=r"m, line 1: 'seconds' is .*; a positive duration"):
        parse_manifest((tmp_path / "m.jsonl").read_text(), "m")


def test_embedded_audio_has_the_stated_length() -> None:
    corpus = EmbeddedCorpus()
    for row in (*corpus.split("test")[:3], *corpus.split("train")[:3]):
        samples = read_utterance(corpus, row)
        assert len(samples) / corpus.sample_rate == pytest.approx(row.seconds, abs=1e-4)


def test_embedded_corpus_missing_or_damaged(tmp_path: Path, make_row: MakeRow) -> None:
    with pytest.raises(UserError, match="embedded corpus is missing"):
        EmbeddedCorpus(tmp_path).utterances()
    (tmp_path / "corpus.zip").write_bytes(b"not a zip")
    with pytest.raises(UserError, match="reinstall"):
        EmbeddedCorpus(tmp_path).read_bytes(make_row("a"))
