"""The rate-distortion curve of the tiny codec, from a run of its own, on real speech."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.codecs.catalog import codec_facts
from harness.codecs.evaluate import Report, entries, evaluate, make_config, prefixes
from harness.commands.codec_evaluate import evaluate as command
from harness.config import CodecConfig, Config
from harness.errors import UserError
from harness.planner import make_plan
from harness.rate_distortion import as_json, write
from harness.state import list_jobs, read_state
from harness.store import Store
from harness.worker import Worker

TINY = codec_facts(CodecConfig(name="tiny"))
METRICS = ("si_snr", "estoi")


def config(**changes: Any) -> Config:
    """Two utterances of the embedded test split."""
    given: dict[str, Any] = {"split": "test", "utterances": 2, "metrics": METRICS} | changes
    corpus = {"kind": "embedded", "root": None, "options": {}}
    return make_config(TINY, {"name": "tiny"}, corpus, **given)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which one process, without Ray, did all the work."""
    root = tmp_path_factory.mktemp("store")
    worker, opened = Worker(config(), root, threads=1), Store.create(root)
    jobs = list_jobs(worker.plan, read_state(worker.plan, opened))
    for job in sorted(jobs, key=lambda job: job.rank):
        outcome = worker.do(job.kind, job.id)
        assert outcome.error is None, outcome.trace
    return root


@pytest.fixture(scope="module")
def report(store: Path) -> Report:
    return evaluate(config(), TINY, store)


def test_codes_are_cut_everywhere_or_at_powers_of_two() -> None:
    assert prefixes(8) == list(range(1, 9))
    assert prefixes(12) == list(range(1, 13))
    assert prefixes(20) == [1, 2, 4, 8, 16, 20]
    assert prefixes(32) == [1, 2, 4, 8, 16, 32]


def test_opus_stands_at_every_rate_it_can_match() -> None:
    wide = TINY.model_copy(update={"sizes": (1024,) * 9, "codebooks": 9})
    rates = [entry.bit_rate for entry in entries(wide) if entry.method.name == "opus"]
    assert rates == [6_000, 6_750, 8_000, 12_000, 16_000, 24_000]


def test_nothing_is_trained_or_encoded_for_training() -> None:
    plan = make_plan(config())
    assert not plan.trials and not plan.splits.train
    assert not [job for job in list_jobs(plan, read_state(plan, None)) if job.kind == "latents"]


def test_each_code_costs_its_bits_and_brings_the_latent_nearer(report: Report) -> None:
    curve = [point for point in report.points if point.method == "codec"]
    assert [point.codes for point in curve] == list(range(1, 9))
    assert [point.bit_rate for point in curve] == [750.0 * n for n in range(1, 9)]
    errors = [point.latent_db or 0.0 for point in curve]
    assert errors == sorted(errors, reverse=True) and errors[0] < 0
    mse = [point.latent_mse or 0.0 for point in curve]
    assert errors[3] == pytest.approx(10 * math.log10(mse[3] / report.variance))
    estoi = [point.estimates["estoi"].mean for point in curve]
    assert estoi[-1] > estoi[0] + 0.1


def test_references_bound_the_curve(report: Report) -> None:
    by_name = {point.system: point for point in report.points}
    assert by_name["copy"].estimates["si_snr"].mean == math.inf
    assert by_name["prequantized"].bit_rate is None
    estoi = {name: point.estimates["estoi"].mean for name, point in by_name.items()}
    assert estoi["opus 24 kb/s"] > estoi["codec 8 of 8"]
    for point in report.points:
        if point.method == "opus":
            assert point.measured_bit_rate == pytest.approx(point.bit_rate, rel=0.05)
    assert min(report.encode_rtf, report.decode_rtf) > 0 and report.threads == 1


def test_records_say_how_many_codes_were_decoded(store: Path, report: Report) -> None:
    records = [Store(store).evaluation(i) for i in Store(store).finished("evaluations")]
    layers = {r.method.variant: r.layers for r in records if r.method.name == "codec"}
    assert layers == {f"{n} of 8": n for n in range(1, 8)} | {"": None}


def test_a_second_call_does_nothing_again(store: Path, report: Report) -> None:
    files = {path: path.stat().st_mtime_ns for path in store.glob("*/*/record.json")}
    kept = {path: at for path, at in files.items() if path.parent.parent.name != "runs"}
    assert as_json(evaluate(config(), TINY, store)) == as_json(report)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_report_is_written_as_table_json_and_figure(report: Report, tmp_path: Path) -> None:
    write(report, tmp_path)
    table = pd.read_csv(tmp_path / "rate_distortion.csv")
    assert len(table) == len(report.points) * len(METRICS)
    assert json.loads((tmp_path / "rate_distortion.json").read_text()) == as_json(report)
    for name in ("rate_distortion.svg", "rate_distortion-dark.svg"):
        text = (tmp_path / name).read_text()
        assert all(label in text for label in ("kb/s", "Opus", "z, not quantized", "ESTOI"))
    systems = json.loads(json.dumps(as_json(report), allow_nan=False))["systems"]
    assert systems[0]["scores"]["si_snr"] == {
        "mean": "inf", "ci_low": None, "ci_high": None, "n": 2, "n_speakers": 1,
    }  # fmt: skip


def options(**changes: Any) -> Namespace:
    given = {
        "name": "tiny", "weights": None, "bandwidth": None, "codebooks": None,
        "quantizer": None,
        "corpus": "embedded", "root": None, "option": [], "split": "test", "utterances": 2,
        "metrics": ",".join(METRICS), "store": None, "out": None, "json": False,
    }  # fmt: skip
    return Namespace(**given | changes)


def test_command_prints_the_table(
    store: Path, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(options(store=str(store))) == 0
    printed = capsys.readouterr().out
    assert "codec 3 of 8" in printed and "2.25" in printed and "opus 16 kb/s" in printed
    assert command(options(store=str(store), json=True)) == 0
    assert len(json.loads(capsys.readouterr().out)["systems"]) == len(report.points)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "tinny"}, "did you mean 'tiny'?"),
        ({"bandwidth": 6.0}, "has no option 'bandwidth'"),
        ({"metrics": "estoy"}, "did you mean 'estoi'?"),
        ({"metrics": "estoi,"}, "names separated by commas"),
        ({"utterances": 0}, "greater than or equal to 1"),
        ({"split": "tests"}, "did you mean 'test'?"),
        ({"out": __file__}, "is a file; name a folder"),
        ({"out": "nowhere/curve"}, "folder nowhere does not exist"),
        ({"option": ["rate"]}, "write it as NAME=VALUE"),
        ({"corpus": "librispeech"}, "a root is needed"),
    ],
)
def test_bad_input_is_one_clear_sentence(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        command(options(store=str(tmp_path), **change))
    assert message in str(error.value)


def plan_with(**changes: Any) -> None:
    make_plan(Config.model_validate(config().model_dump() | changes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": [{"name": "regression"}]}, "corpus.train names no split"),
        ({"corpus": {"train": [], "valid": [], "held_out_voices": 1}}, "`train` names no split"),
        ({"corpus": {"train": [], "valid": [], "leave_out_voice": "x"}}, "`train` names no split"),
        ({"corpus": {"train": [], "valid": []}, "evaluate": [{"split": "valid"}]},
         "corpus.valid names no split"),
    ],
)  # fmt: skip
def test_without_training_audio_nothing_trains_or_is_held_out(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as error:
        plan_with(**change)
    assert message in str(error.value)


def test_the_validation_split_can_be_evaluated_without_training() -> None:
    plan = make_plan(config(split="valid"))
    assert len(plan.splits.evaluate["valid"]) == 2
