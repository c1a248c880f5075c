"""The whole path of a small plan in one process: references, latents, trial, evaluation, scores."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from harness.audio import read_audio
from harness.config import Config, load_config
from harness.data.corpus import Corpus, Utterance
from harness.errors import UserError, WorkFailed
from harness.latents.remote import Remote
from harness.latents.shard import verify
from harness.planner import make_plan
from harness.run import raise_failures
from harness.state import list_jobs, missing_scorings, read_state
from harness.store import Store
from harness.worker import Worker
from metrics.estoi import Estoi

ROOT = Path(__file__).resolve().parents[2]


def tiny_config() -> Config:
    data = load_config(ROOT / "configs" / "smoke.yaml").model_dump()
    changes = {
        "corpus": {"train": ["valid"], "valid": [], "held_out_voices": 1},
        "data_sizes": ["100%"],
        "methods": [{"name": "copy"}, {"name": "prequantized"}, {"name": "bridge", "nfe": [2]}],
        "evaluate": [{"split": "test", "utterances": 2}],
        "selection": None,
    }
    return Config.model_validate({**data, **changes})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Worker:
    root = tmp_path_factory.mktemp("store")
    store = Store.create(root)
    worker = Worker(tiny_config(), root, threads=1)
    for job in sorted(list_jobs(worker.plan, read_state(worker.plan, store)), key=lambda j: j.rank):
        outcome = worker.do(job.kind, job.id)
        assert outcome.error is None, outcome.trace
    return worker


def test_nothing_is_left_to_do(done: Worker) -> None:
    assert list_jobs(done.plan, read_state(done.plan, done.store)) == []


def table(worker: Worker, method: str, metric: str) -> pd.DataFrame:
    evaluation = next(e for e in worker.plan.evaluations if e.method.name == method)
    score = next(
        s for s in worker.plan.scorings if s.evaluation == evaluation.id and s.metric == metric
    )
    return pd.read_parquet(worker.store.folder("scores", score.id) / "table.parquet")


def test_copy_is_the_reference_itself(done: Worker) -> None:
    assert np.isposinf(table(done, "copy", "si_snr")["value"]).all()
    assert np.allclose(table(done, "copy", "estoi")["value"], 1.0)


def test_the_codec_loses_something_but_not_all(done: Worker) -> None:
    values = table(done, "prequantized", "estoi")["value"]
    assert values.between(0.5, 0.99).all()


def test_records_say_what_was_measured(done: Worker) -> None:
    evaluation = next(e for e in done.plan.evaluations if e.method.name == "bridge")
    record = done.store.evaluation(evaluation.id)
    assert record.counted_nfe == 2
    assert record.flops_per_second > 1e6
    assert record.real_time_factor > 0
    trial = done.store.trial(str(record.trial))
    assert [point.step for point in trial.curve] == [2, 4]
    assert trial.provenance.versions["torch"] == torch.__version__


def test_a_damaged_shard_is_encoded_again_before_a_trial_reads_it(done: Worker) -> None:
    trial = done.plan.trials[0]
    shard = trial.codec.cache.shards[0]
    path = done.store.folder("latents", shard.id) / "z.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    done.store.discard("trials", trial.id)
    fresh = Worker(done.config, done.store.root, threads=1)  # another process would verify anew
    outcome = fresh.do("trials", trial.id)
    assert outcome.error is None, outcome.trace
    assert path.read_bytes() == whole


def test_shards_are_staged_from_remote_storage_instead_of_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = {"remote": f"file://{tmp_path}/remote"}
    config = Config.model_validate({**tiny_config().model_dump(), "latents": remote})
    first, second = (Worker(config, Store.create(tmp_path / n).root, threads=1) for n in "ab")
    shard = first.plan.codecs[0].cache.shards[0]
    assert first.do("latents", shard.id).error is None
    monkeypatch.setattr("harness.worker.write_shard", None)  # encoding would now fail
    outcome = second.do("latents", shard.id)
    assert outcome.error is None, outcome.trace
    codes = [w.store.folder("latents", shard.id) / "codes.npy" for w in (first, second)]
    assert codes[0].read_bytes() == codes[1].read_bytes()


@pytest.mark.parametrize("ending", ["record.json", "-codes.npy"])
def test_a_damaged_remote_shard_is_encoded_here_and_replaced(tmp_path: Path, ending: str) -> None:
    remote = {"remote": f"file://{tmp_path}/remote"}
    config = Config.model_validate({**tiny_config().model_dump(), "latents": remote})
    first, second = (Worker(config, Store.create(tmp_path / n).root, threads=1) for n in "ab")
    shard = first.plan.codecs[0].cache.shards[0]
    assert first.do("latents", shard.id).error is None
    (far,) = (tmp_path / "remote" / shard.id).glob(f"*{ending}")
    far.write_bytes(far.read_bytes()[:-9])
    outcome = second.do("latents", shard.id)
    assert outcome.error is None, outcome.trace
    verify(second.store.folder("latents", shard.id), shard.id)
    assert Remote(remote["remote"]).get(Store.create(tmp_path / "c"), shard.id)


def test_training_from_codes_alone_equals_training_from_float32_latents(tmp_path: Path) -> None:
    losses = []
    for kept in ({"precision": "float32"}, {"keep": "codes"}):
        config = Config.model_validate({**tiny_config().model_dump(), "latents": kept})
        worker = Worker(config, Store.create(tmp_path / str(len(losses))).root, threads=1)
        trial = worker.plan.trials[0]
        for shard in trial.codec.cache.shards:
            assert worker.do("latents", shard.id).error is None
        outcome = worker.do("trials", trial.id)
        assert outcome.error is None, outcome.trace
        losses.append([point.train for point in worker.store.trial(trial.id).curve])
    assert losses[0] == losses[1]


def test_training_and_synthesis_repeat_bit_for_bit(done: Worker, tmp_path: Path) -> None:
    again = Worker(tiny_config(), tmp_path, threads=1)
    store = Store.create(tmp_path)
    for job in sorted(list_jobs(again.plan, read_state(again.plan, store)), key=lambda j: j.rank):
        if job.kind in ("references", "latents", "trials", "evaluations"):
            assert again.do(job.kind, job.id).error is None
    for trial in again.plan.trials:
        first, second = done.store.trial(trial.id), again.store.trial(trial.id)
        assert first.weights_sha256 == second.weights_sha256
    for evaluation in again.plan.evaluations:
        pairs = zip(
            done.store.evaluation(evaluation.id).utterances,
            again.store.evaluation(evaluation.id).utterances,
            strict=True,
        )
        assert all(one.audio_sha256 == two.audio_sha256 for one, two in pairs)


def test_a_missing_score_is_work_again(done: Worker) -> None:
    scoring = done.plan.scorings[0]
    path = done.store.folder("scores", scoring.id) / "record.json"
    good = path.read_text()
    path.write_text(good.replace('"missing": 0', '"missing": 1'))
    try:
        state = read_state(done.plan, done.store)
        assert missing_scorings(done.plan, state) == {scoring.evaluation: [scoring]}
        assert done.do("scores", scoring.evaluation).error is None
    finally:
        assert '"missing": 0' in path.read_text()


def test_changed_audio_is_refused(done: Worker) -> None:
    evaluation = next(e for e in done.plan.evaluations if e.method.name == "copy")
    record = done.store.evaluation(evaluation.id)
    path = done.store.folder("evaluations", evaluation.id) / record.utterances[0].audio
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    outcome = done.do("scores", evaluation.id)
    path.write_bytes(good)
    assert outcome.user_error
    assert "changed since it was made" in str(outcome.error)


def test_reference_audio_is_lossless(done: Worker) -> None:
    corpus = done.plan.splits.corpus
    row = done.plan.splits.evaluate["test"][0]
    record = done.store.reference(done.plan.references["test"])
    stored, rate = read_audio(
        done.store.folder("references", record.id) / record.audio[row.id], row.id
    )
    original, _ = read_audio(corpus.read_bytes(row), row.id)
    assert rate == corpus.sample_rate
    assert np.array_equal(stored, original)


@pytest.mark.usefixtures("faulty")
def test_a_missing_metric_model_is_said_and_nothing_is_scored(tmp_path: Path) -> None:
    config = tiny_config().model_dump() | {"metrics": [{"name": "absent"}]}
    worker = Worker(Config.model_validate(config), tmp_path, threads=1)
    outcome = worker.do("preflight", "metrics")
    jobs = list_jobs(worker.plan, read_state(worker.plan, None))
    scores = [job for job in jobs if job.kind == "scores"]
    assert scores
    assert all(("preflight", "metrics") in job.needs for job in scores)
    with pytest.raises(UserError, match="model x is absent"):
        raise_failures(worker.plan, Store(tmp_path), jobs, {("preflight", "metrics"): outcome})


def test_missing_scores_are_exit_code_1_and_say_how_many(done: Worker) -> None:
    scoring = done.plan.scorings[0]
    path = done.store.folder("scores", scoring.id) / "record.json"
    good = path.read_text()
    path.write_text(good.replace('"missing": 0', '"missing": 2'))
    try:
        with pytest.raises(WorkFailed, match="2 scores missing"):
            raise_failures(done.plan, done.store, [], {})
    finally:
        path.write_text(good)


def test_rows_that_were_scored_are_kept_and_the_missing_one_is_tried_again(done: Worker) -> None:
    scoring = next(s for s in done.plan.scorings if s.metric == "estoi")
    folder = done.store.folder("scores", scoring.id)
    table = pd.read_parquet(folder / "table.parquet")
    kept, lost = table["utterance"]
    marked = table.assign(value=[0.123, None], status=["scored", "missing"])
    marked.to_parquet(folder / "table.parquet", index=False)
    record = (folder / "record.json").read_text().replace('"missing": 0', '"missing": 1')
    (folder / "record.json").write_text(record)
    assert done.do("scores", scoring.evaluation).error is None
    again = pd.read_parquet(folder / "table.parquet").set_index("utterance")
    assert again["value"][kept] == 0.123  # marked above: it was not scored again
    assert again["value"][lost] == table.set_index("utterance")["value"][lost]
    assert done.store.score(scoring.id).missing == 0
    table.to_parquet(folder / "table.parquet", index=False)


def test_another_version_of_a_metric_scores_stored_audio_anew_and_does_nothing_else(
    done: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(done.config)
    facts = dataclasses.replace(Estoi.facts, version="another")
    monkeypatch.setattr(Estoi, "facts", facts)
    changed = make_plan(done.config)
    assert {t.id for t in changed.trials} == {t.id for t in plan.trials}
    jobs = list_jobs(changed, read_state(changed, done.store))
    assert {job.kind for job in jobs} == {"preflight", "scores"}
    todo = missing_scorings(changed, read_state(changed, done.store))
    assert {s.metric for scorings in todo.values() for s in scorings} == {"estoi"}


def test_another_language_of_an_utterance_is_scored_anew_from_the_same_audio(
    done: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(done.config)
    told = Corpus.split

    def in_french(corpus: Corpus, *names: str) -> list[Utterance]:
        return [dataclasses.replace(row, language="fr") for row in told(corpus, *names)]

    monkeypatch.setattr(Corpus, "split", in_french)
    changed = make_plan(done.config)
    assert [e.id for e in changed.evaluations] == [e.id for e in plan.evaluations]
    assert not {s.id for s in changed.scorings} & {s.id for s in plan.scorings}


def test_latents_and_cost_are_scored_beside_the_audio(done: Worker) -> None:
    bridge = next(e for e in done.plan.evaluations if e.method.name == "bridge")
    copy = next(e for e in done.plan.evaluations if e.method.name == "copy")
    records = [done.store.evaluation(e.id).utterances for e in (bridge, copy)]
    assert all(row.latent and row.latent.error > 0 for row in records[0])
    assert all(row.latent is None for row in records[1])
    z = next(e for e in done.plan.evaluations if e.method.name == "prequantized")
    assert all(
        row.latent and row.latent.error == 0 for row in done.store.evaluation(z.id).utterances
    )
