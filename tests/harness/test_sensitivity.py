"""The sensitivity study: what it plans, what it refuses, and a small one on real speech."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from harness.config import CONFIGS, Config
from harness.data.embedded import EmbeddedCorpus
from harness.data.read import read_utterance
from harness.errors import UserError
from harness.planner import make_plan
from harness.splits import resolve_splits
from harness.state import list_jobs, read_state
from harness.store import Store
from harness.studies.sensitivity import (
    SensitivityStudy,
    compared,
    hear,
    load_sensitivity,
    study_config,
    words_params,
)
from harness.worker import Worker
from leaderboard.board import load_board
from leaderboard.sensitivity import KINDS, graded
from methods.artefacts.base import Word
from methods.artefacts.catalog import ARTEFACTS
from methods.artefacts.words import read_words, sample_key, write_words
from metrics.recogniser import recogniser
from metrics.registry import discover

SHIPPED = CONFIGS / "sensitivity.yaml"
NONE: dict[str, list[float]] = {name: [] for name in ARTEFACTS}


def study_file(folder: Path, section: str, more: str = "") -> Path:
    path = folder / "study.yaml"
    path.write_text(f"extends: {SHIPPED}\nname: small\n{more}\nstudy: {section}\n")
    return path


def small(folder: Path, artefacts: dict[str, list[float]]) -> tuple[Config, SensitivityStudy]:
    """Two utterances and one metric."""
    section = {"artefacts": NONE | artefacts, "codec_layers": [8, 2], "opus": [6000]}
    more = "metrics: [{name: estoi}]\nevaluate: [{split: test, utterances: 2}]"
    return load_sensitivity(study_file(folder, json.dumps(section), more))


def test_the_shipped_study_grades_every_artefact_from_mild_to_severe() -> None:
    config, study = load_sensitivity(SHIPPED)
    assert set(study.artefacts) == set(ARTEFACTS)
    levels = study.artefacts | {
        "codec": [float(count) for count in study.codec_layers],
        "opus": [float(rate) for rate in study.opus],
    }
    for name, found in levels.items():
        assert len(found) >= 4 and found == sorted(found, reverse=not KINDS[name].rising), name
        if name in ARTEFACTS:
            assert ARTEFACTS[name].identity not in found
    assert config.evaluate[0].utterances == 24 and config.selection is None


def test_the_shipped_study_asks_every_installed_metric_of_the_audio() -> None:
    config, _ = load_sensitivity(SHIPPED)
    heard = {
        name
        for name, metric in discover().items()
        if not metric.optional and metric.facts.kind not in ("latent", "cost")
    }
    assert {metric.name for metric in config.metrics} == heard
    read = {m.utterances for m in config.metrics if m.name in ("wer", "cer", "dwer")}
    assert len(read) == 1, "they share one reading only over the same utterances"


def test_the_plan_trains_nothing_and_asks_for_every_level_once() -> None:
    config, study = load_sensitivity(SHIPPED)
    words = {"words": "words.json", "words_sha256": "ab" * 32}
    plan = make_plan(study_config(config, study, words))
    assert not plan.trials and not plan.splits.train
    names = [evaluation.method.name for evaluation in plan.evaluations]
    levels = sum(map(len, study.artefacts.values()))
    assert names.count("degraded") == levels and names.count("copy") == 1
    assert names.count("codec") == 4 and names.count("opus") == 5
    given = [e.method.params for e in plan.evaluations if e.method.name == "degraded"]
    assert {str(p["artefact"]) for p in given if p["words_sha256"]} == {"word_drop", "word_swap"}


def test_other_words_are_other_evaluations_and_only_where_words_matter() -> None:
    config, study = load_sensitivity(SHIPPED)
    made = [
        make_plan(study_config(config, study, {"words": "w.json", "words_sha256": c * 64}))
        for c in "ab"
    ]
    first, second = ({e.id for e in plan.evaluations} for plan in made)
    moved = sum(len(study.artefacts[name]) for name in ("word_drop", "word_swap"))
    assert len(first - second) == len(second - first) == moved


def test_moved_words_are_the_same_evaluations_and_no_record_says_where_they_lie() -> None:
    config, study = load_sensitivity(SHIPPED)
    first, second = (
        make_plan(study_config(config, study, {"words": place, "words_sha256": "a" * 64}))
        for place in ("/here/w.json", "/there/w.json")
    )
    assert {e.id for e in first.evaluations} == {e.id for e in second.evaluations}
    moved = [e.method for e in second.evaluations if e.method.variant.startswith("word ")]
    assert {str(method.places["words"]) for method in moved} == {"/there/w.json"}
    assert not any("there" in method.model_dump_json() for method in moved)


def test_the_whole_codec_is_no_cut_one(tmp_path: Path) -> None:
    _, study = small(tmp_path, {"clipping": [0.1]})
    found = [(m.name, m.variant, m.layers) for m in compared(study, 8, {})]
    assert found == [
        ("degraded", "clipping 0.1", []), ("codec", "", []), ("codec", "", [2]), ("opus", "", []),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("section", "more", "message"),
    [
        ("{artefacts: {echo: [1]}}", "", "'echo' is no artefact"),
        ("{artefacts: {white_noise: [10, 10]}}", "", "a level occurs twice"),
        ("{artefacts: {clipping: [1.5]}}", "", "outside 0 to 0.9"),
        ("{artefacts: {time_smear: [4]}}", "", "not an odd whole number"),
        ("{artefacts: {pitch_shift: [-8, 8]}}", "", "pitch_shift: it is raised, .* not -8"),
        ("{artefacts: {voice_shift: [1, -1]}}", "", "voice_shift: it is raised, .* not -1"),
        ("{artefact: {}}", "", "unknown key 'artefact'"),
        ("{codec_layers: [8]}", "methods: [{name: coarse}]", "list copy alone"),
        ("{codec_layers: [8]}", "codec: [{name: tiny}, {name: tiny-codes}]", "name one"),
    ],
)
def test_what_no_run_could_do_is_refused(
    section: str, more: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        load_sensitivity(study_file(tmp_path, section, more))


def test_a_configuration_without_a_study_is_no_study() -> None:
    with pytest.raises(UserError, match="no section 'study'"):
        load_sensitivity(CONFIGS / "quick.yaml")


def test_a_small_study_runs_and_is_read_back(tmp_path: Path) -> None:
    levels = {"white_noise": [30.0, 0.0], "monotone": [1.0], "word_drop": [0.5]}
    config, study = small(tmp_path, levels)
    splits, found = resolve_splits(config), dict[str, Sequence[Word]]()
    for row in splits.evaluate["test"]:
        samples = read_utterance(splits.corpus, row)
        found[sample_key(samples)] = [Word("one", 0.2, 0.6), Word("two", 0.8, 1.2)]
    path = tmp_path / "words.json"
    path.write_bytes(write_words(found))
    words = {"words": str(path), "words_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    run = study_config(config, study, words)
    store = Store.create(tmp_path / "store")
    worker = Worker(run, store.root, threads=1)
    jobs = list_jobs(worker.plan, read_state(worker.plan, store))
    for job in sorted(jobs, key=lambda job: job.rank):
        outcome = worker.do(job.kind, job.id)
        assert outcome.error is None, outcome.trace or outcome.error
    from harness.run import run_record

    store.replace(run_record(worker.plan))
    board = load_board(store)
    assert not any(
        str(tmp_path) in read.read_text() for read in store.root.glob("evaluations/*/*.json")
    )
    names = [one.name for one in graded(board, "test")]
    assert names == ["white_noise", "monotone", "word_drop", "codec", "opus"]
    noisy = graded(board, "test")[0]
    means = [
        float(system.scores["test", "estoi"].table["value"].mean()) for system in noisy.systems
    ]
    assert noisy.levels == (30.0, 0.0) and 1 > means[0] > means[1] + 0.2


@pytest.mark.slow
def test_words_are_heard_where_they_are_said_and_kept(tmp_path: Path) -> None:
    config, _ = small(tmp_path, {"word_drop": [0.5]})
    store, said = Store.create(tmp_path / "store"), list[str]()
    splits = resolve_splits(config)
    params = words_params(splits, store, said.append)
    found = read_words(Path(str(params["words"])), str(params["words_sha256"]))
    for row in splits.evaluate["test"]:
        samples = read_utterance(splits.corpus, row)
        words = found[sample_key(samples)]
        assert words[0].start >= 0 and words[-1].end <= len(samples) / splits.corpus.sample_rate
        assert all(a.start <= b.start for a, b in pairwise(words))
        inside = np.concatenate([samples[int(w.start * 16e3) : int(w.end * 16e3)] for w in words])
        assert (inside**2).sum() > 0.8 * (samples**2).sum()
    assert words_params(splits, store, said.append) == params and len(said) == 1


@pytest.mark.slow
def test_an_utterance_of_one_word_cannot_be_studied() -> None:
    corpus = EmbeddedCorpus()
    samples = read_utterance(corpus, corpus.split("test")[0])
    with pytest.raises(UserError, match="'one': fewer than two different words"):
        hear(recogniser(), "one", samples[:1600] * 0.01, corpus.sample_rate)
