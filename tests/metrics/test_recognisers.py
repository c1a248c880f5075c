"""Recognisers: batches read as alone, one model and reading for all, errors counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metrics import recogniser
from metrics.base import MetricError, NotApplicable, Samples, Utterance
from metrics.base import Score as Value
from metrics.recogniser import Choice, Recogniser
from metrics.recogniser.text import Text, is_latin
from metrics.registry import make

if TYPE_CHECKING:
    from conftest import Lab, Speech

RATE = 16_000
NAMES = ("wer", "cer", "dwer")


@pytest.fixture(scope="module")
def whisper() -> Recogniser:
    return recogniser.recogniser()


@pytest.fixture
def batch(clip: Samples, lab: Lab) -> list[Samples]:
    """Six estimates of different lengths, some of them hard to read."""
    cuts = [clip, clip[: 2 * RATE], clip[RATE:]]
    return [*cuts, *(lab.noisy(cut, 3) for cut in cuts)]


@pytest.mark.slow
def test_a_batch_reads_as_one_by_one_in_any_order(
    batch: list[Samples], speech: list[Speech], whisper: Recogniser
) -> None:
    long = np.concatenate([one.samples for one in speech])[: 40 * RATE]  # two windows
    batch = [*batch, long]
    alone = [whisper._reader.read([samples])[0] for samples in batch]
    assert whisper._reader.read(batch) == alone
    assert whisper._reader.read(batch[::-1]) == alone[::-1]
    assert len(alone[-1].split()) > 50


def test_estimates_of_a_batch_are_read_together_and_once(
    batch: list[Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    class Counting:
        def __init__(self, *choice: str) -> None:
            pass

        def read(self, batch: Sequence[Samples]) -> list[str]:
            read.append(len(batch))
            return [f"{samples.size} samples" for samples in batch]

    monkeypatch.setitem(recogniser.READERS, "ctc", Counting)
    shared = Recogniser(Choice("ctc"))
    assert shared.read_batch([*batch, batch[0]]) == [
        f"{b.size} samples" for b in [*batch, batch[0]]
    ]
    assert shared.read(batch[1].copy()) == f"{2 * RATE} samples"
    assert read == [len(batch)]


def test_the_readings_kept_are_bounded(
    batch: list[Samples], whisper: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recogniser, "_TEXTS", 2)
    monkeypatch.setattr(whisper, "_texts", {})
    assert len(whisper.read_batch([samples[:RATE] for samples in batch[:3]])) == 3
    assert len(whisper._texts) == 2


def test_a_batch_answers_in_place(clip: Samples, lab: Lab) -> None:
    broken = clip.copy()
    broken[5] = np.nan
    half = clip[: 2 * RATE]
    utterances = [
        Utterance("good", clip, clip, transcript="he hoped there would be stew"),
        Utterance("broken", clip, broken, transcript="a word"),
        Utterance("untold", clip, clip),
        Utterance("French", clip, clip, transcript="un mot", language="fr"),
        Utterance("Russian", clip, clip, transcript="одно слово"),
        Utterance("short", half, half, transcript="he hoped", language="en"),
    ]
    for name in ("wer", "cer"):
        metric = lab.load(name)
        results = metric.score_batch(utterances)
        kinds = [Value, MetricError, NotApplicable, NotApplicable, NotApplicable, Value]
        assert [type(result) for result in results] == kinds
        assert "NaN" in str(results[1])
        assert str(results[2]) == "no transcript"
        assert str(results[3]) == "the utterance (fr) is not English"
        assert "letters are not Latin" in str(results[4])
        assert [results[0], results[5]] == [metric.score(u) for u in (utterances[0], utterances[5])]


def test_dwer_in_another_language_is_not_applicable(clip: Samples, lab: Lab) -> None:
    utterance = Utterance("u", clip, clip, {"text": np.array("un mot")}, language="fr")
    with pytest.raises(NotApplicable, match=r"\(fr\) is not English"):
        lab.load("dwer").score(utterance)


def test_cer_counts_characters(clip: Samples, lab: Lab) -> None:
    read = lab.score("wer", clip, clip, "a word").text
    assert read
    wrong = f"x{read}"
    score = lab.score("cer", clip, clip, wrong)
    assert (score.errors, score.words) == (1, len(Text("whisper-english").normal(wrong)))
    assert score.text == read


@pytest.mark.parametrize(
    ("name", "errors"), [("whisper-english", 0), ("whisper-basic", 1), ("none", 2)]
)
def test_a_normaliser_forgives_what_it_says(name: str, errors: int) -> None:
    text = Text(name)  # type: ignore[arg-type]
    assert text.errors("The colour, here", "the color here", "words") == (errors, 3)
    assert text.errors("The colour, here", "The colour, here", "characters").errors == 0


@pytest.mark.parametrize(
    ("text", "latin"),
    [("Zażółć, naïve œuvre 12", True), ("слово", False), ("中文 ok", True), ("7", True)],
)
def test_the_script_of_a_text(text: str, latin: bool) -> None:
    assert is_latin(text) == latin


def test_words_have_times_within_the_audio(clip: Samples, whisper: Recogniser) -> None:
    words = whisper.words(clip)
    assert " ".join(word.text for word in words) == whisper.read(clip)
    edges = [edge for word in words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0 and edges[-1] <= 4.05  # it counts in steps of 0.02 s


def test_one_recogniser_for_the_metrics_that_name_the_same(lab: Lab) -> None:
    loaded = [lab.load(name) for name in NAMES]
    assert len({id(metric._recogniser) for metric in loaded}) == 1  # type: ignore[attr-defined]
    assert len({metric.model for metric in loaded}) == 1
    assert make("wer", {"normaliser": "none"}).model == loaded[0].model
    assert (
        make("wer", {"recogniser": "openai-whisper", "model": "base.en"}).model != loaded[0].model
    )
