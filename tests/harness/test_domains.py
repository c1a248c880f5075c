"""The study of domains: which runs it makes, what they share, and what is said to be left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from harness.cli import main
from harness.config import CONFIGS, load_config
from harness.data.read import read_utterance
from harness.data.registry import open_corpus
from harness.errors import UserError
from harness.plan import Plan
from harness.planner import make_plan
from harness.records import RunRecord
from harness.store import Store
from harness.studies.domain_records import KEY, DomainsRecord
from harness.studies.domain_runs import DomainRun, describe, domain_runs, keep_record
from harness.studies.domains import Study, load_study

LIBRISPEECH = Path(__file__).resolve().parents[2] / "../shared/data/LibriSpeech"
VOICE = "fr_CA_f_June"
PARTS: list[dict[str, Any]] = [
    {"kind": "embedded", "plain": True},
    {"kind": "telephone", "options": {"of": "embedded", "sample_rate": 16_000}},
]


def ids(plan: Plan, kind: str) -> set[str]:
    return {entry.id for entry in getattr(plan, kind)}


def write(folder: Path, **changes: Any) -> Path:
    """Write a study on smoke.yaml's matrix."""
    found: dict[str, Any] = {
        "extends": str(CONFIGS / "smoke.yaml"),
        "name": "small",
        "corpus": {"kind": "joined", "options": {"parts": PARTS}},
        "evaluate": [
            {"split": "test", "utterances": 3},
            {"split": "test-voices"},
            {"split": "telephone/test", "utterances": 3},
            {"split": "valid", "utterances": 3},
        ],
        KEY: [
            {"label": "seen", "kind": "seen voices", "split": "test"},
            {"label": "phone", "kind": "telephone", "split": "telephone/test"},
        ],
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(found | changes))
    return path


def two_domains(**changes: Any) -> list[dict[str, Any]]:
    return [
        {"label": "seen", "kind": "seen voices", "split": "test"},
        {"label": "other", "kind": "language", "split": "test-voices", **changes},
    ]


def conversations(root: Path) -> None:
    """Make a call of two sides, 8 kHz, with a segment of each."""
    (root / "conversations").mkdir(parents=True)
    stereo = np.random.default_rng(0).integers(-9000, 9000, (8 * 8000, 2), dtype=np.int16)
    soundfile.write(root / "conversations" / "call.wav", stereo, 8000)
    lines = "u1 call-A 0.5 3.5 hello there\nu2 call-B 1.0 5.0 good day\n"
    (root / "conversations" / "segments").write_text(lines)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study that ships, where there are conversations but no LibriSpeech."""
    root = tmp_path_factory.mktemp("data")
    conversations(root)
    return load_study(CONFIGS / "domains.yaml", root)


@pytest.fixture(scope="module")
def runs(shipped: Study) -> list[DomainRun]:
    return domain_runs(shipped)


@pytest.fixture(scope="module")
def plans(runs: list[DomainRun]) -> list[Plan]:
    return [make_plan(one.config) for one in runs]


def test_the_trained_systems_are_quicks_own(plans: list[Plan]) -> None:
    quick = make_plan(load_config(CONFIGS / "quick.yaml"))
    assert ids(plans[0], "trials") < ids(quick, "trials")
    assert len(plans[0].trials) == 4  # each method on all data
    shared = ids(plans[0], "evaluations") & ids(quick, "evaluations")
    assert {e.split for e in plans[0].evaluations if e.id in shared} == {"test", "valid"}


def test_only_the_left_out_voice_trains_anew(runs: list[DomainRun], plans: list[Plan]) -> None:
    main_run, without = plans
    assert [one.config.name for one in runs] == ["domains", f"domains-without-{VOICE}"]
    assert not ids(main_run, "trials") & ids(without, "trials")
    assert VOICE not in {row.voice for row in without.splits.train + without.splits.valid}
    assert set(without.splits.evaluate) == {"test-voices", "valid"}


def test_all_domains_are_at_one_rate_with_their_own_reference(plans: list[Plan]) -> None:
    splits = plans[0].splits
    assert splits.corpus.sample_rate == 16_000
    wide, phone = splits.evaluate["test"], splits.evaluate["telephone/test"]
    assert [row.id for row in phone] == [f"telephone/{row.id}" for row in wide]
    assert plans[0].references["test"] != plans[0].references["telephone/test"]
    a, b = (read_utterance(splits.corpus, rows[0]) for rows in (wide, phone))
    assert abs(len(a) - len(b)) <= 2
    power = np.abs(np.fft.rfft(b)) ** 2
    above = np.fft.rfftfreq(len(b), 1 / 16_000) > 4000
    assert power[above].sum() < 1e-4 * power.sum()
    calls = splits.evaluate["conversations/all"]
    assert [row.seconds for row in calls] == [3.0, 4.0] and calls[0].transcript == "hello there"
    assert len(read_utterance(splits.corpus, calls[0])) == 48_000


def test_records_say_what_each_domain_is(shipped: Study, runs: list[DomainRun]) -> None:
    both = [describe(shipped, one) for one in runs]
    found = {domain.label: domain for record in both for domain in record.domains}
    assert list(both[0].order) == [domain.label for domain in shipped.domains]
    assert (found["seen voices"].voices, found["seen voices"].seen) == (1, 1)
    assert (found["a voice left out"].voice, found["a voice left out"].seen) == (VOICE, 0)
    assert (found["other languages"].voices, found["other languages"].seen) == (4, 4)
    assert found["telephone, simulated"].seen == 1  # the voice is the one that trained
    assert (found["telephone conversations"].voices, found["telephone conversations"].seen) == (
        2,
        0,
    )
    (absent,) = both[0].absent
    assert (absent.label, absent.reason) == ("read speech", "no audio of librispeech here")


def test_a_run_record_keeps_the_study(tmp_path: Path, shipped: Study) -> None:
    store = Store.create(tmp_path)
    store.replace(
        RunRecord(id="r", title="", config={"a": 1}, evaluations=(), scores=(), selection=None)
    )
    record = describe(shipped, domain_runs(shipped)[1])
    keep_record(store, "r", record)
    (run,) = store.runs()
    assert run.config["a"] == 1 and DomainsRecord.model_validate(run.config[KEY]) == record


@pytest.mark.skipif(not LIBRISPEECH.is_dir(), reason="LibriSpeech is not here")
def test_read_speech_is_there_where_librispeech_is() -> None:
    study = load_study(CONFIGS / "domains.yaml", LIBRISPEECH.parent)
    assert "read speech" in {domain.label for domain in study.domains}
    record = describe(study, domain_runs(study)[0])
    (read,) = [domain for domain in record.domains if domain.label == "read speech"]
    assert read.seen == 0 < read.voices


def test_what_is_absent_and_not_optional_is_an_error(tmp_path: Path) -> None:
    parts = [*PARTS, {"kind": "librispeech", "root": "LibriSpeech"}]
    domains = [
        *two_domains(),
        {"label": "read", "kind": "read speech", "split": "librispeech/test-other"},
    ]
    evaluate = [{"split": name} for name in ("test", "test-voices", "librispeech/test-other")]
    changes: dict[str, Any] = {
        "corpus": {"kind": "joined", "options": {"parts": parts}},
        "evaluate": [*evaluate, {"split": "valid", "utterances": 3}],
    }
    path = write(tmp_path, **changes, domains=domains)
    with pytest.raises(UserError, match=r"domain 'read': .*LibriSpeech does not exist; give its"):
        load_study(path, tmp_path)
    domains[-1]["optional"] = True
    study = load_study(write(tmp_path, **changes, domains=domains), tmp_path)
    assert [one.label for one in study.absent] == ["read"]
    assert "librispeech/test-other" not in {split.split for split in study.config.evaluate}
    assert make_plan(study.config).trials


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({KEY: None}, "key 'domains'"),
        ({KEY: two_domains(splitt="x")}, "unknown key 'domains.1.splitt'; did you mean 'split'"),
        ({KEY: two_domains(kind="phone")}, "key 'domains.1.kind'"),
        ({KEY: two_domains(split="tests")}, "split 'tests' is not in `evaluate`; did you mean"),
        ({KEY: two_domains(label="seen")}, "two have the same label"),
        ({KEY: two_domains()[:1]}, "key 'domains'"),
        ({"selection": None, KEY: two_domains()}, "several NFEs need `selection`"),
        ({"codec": [{}, {"codebooks": 4}], KEY: two_domains()}, "methods on one codec; name one"),
    ],
)
def test_bad_studies(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        load_study(write(tmp_path, **changes))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "unseen voices"}, "is to be of unseen voices, but 4 of its 4 voices are heard"),
        ({"kind": "seen voices", "leave_out_voice": VOICE}, "but 0 of its 1 voices are heard"),
        ({"leave_out_voice": "en_US_f_Allison"}, "has no utterance of 'en_US_f_Allison'"),
        ({"leave_out_voice": "nobody"}, "no voice 'nobody' in training"),
    ],
)
def test_a_domain_is_of_the_kind_it_claims(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    study = load_study(write(tmp_path, domains=two_domains(**change)))
    with pytest.raises(UserError) as error:
        for one in domain_runs(study):
            describe(study, one)
    assert message in str(error.value)


def test_an_ordinary_run_refuses_the_section(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown key 'domains'"):
        load_config(write(tmp_path))


def test_no_section_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "domains", "smoke"]) == 2
    assert "has no section 'domains'" in capsys.readouterr().err


def test_a_plain_part_keeps_its_names() -> None:
    joined, alone = open_corpus("joined", parts=PARTS), open_corpus("embedded")
    assert joined.name == alone.name and joined.split("train") == alone.split("train")
    both = joined.split("test", "telephone/test")
    assert {row.id.split("/")[0] for row in both} == {"en_US_f_Allison", "telephone"}
    for row in (both[0], both[-1]):
        assert len(read_utterance(joined, row)) == pytest.approx(16_000 * row.seconds, abs=16)
    assert len(joined.utterances()) == 2 * len(alone.utterances())
    with pytest.raises(UserError, match="no split 'tset'; did you mean 'test'"):
        joined.split("tset")


def test_a_plain_part_whose_names_look_like_anothers_is_refused(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000)
    (tmp_path / "embedded").mkdir()
    soundfile.write(tmp_path / "embedded" / "a.wav", samples, 16_000)
    mine = {"kind": "folder", "root": str(tmp_path), "options": {"sample_rate": 16_000}}
    joined = open_corpus("joined", parts=[{**mine, "plain": True}, {"kind": "embedded"}])
    with pytest.raises(UserError, match=r"'embedded/a' .* looks like another part's"):
        joined.split("all")
    with pytest.raises(UserError, match="parts 'folder' and 'embedded' are both plain"):
        open_corpus("joined", parts=[{**mine, "plain": True}, {"kind": "embedded", "plain": True}])


@pytest.mark.slow
def test_a_study_trains_nothing_that_an_ordinary_run_has_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = [{"name": name} for name in ("copy", "coarse", "regression", "parallel_tokens")]
    methods.append({"name": "coarse_to_fine"})
    matrix: dict[str, Any] = {
        "store": str(tmp_path / "store"),
        "site": str(tmp_path / "site"),
        "data_sizes": ["5%"],
        "methods": methods,
        "selection": None,
        "metrics": [{"name": "estoi"}],
    }
    parts = [*PARTS, {"kind": "librispeech", "root": "LibriSpeech"}]
    read = {"label": "read", "kind": "read speech", "split": "librispeech/x", "optional": True}
    splits = ("test", "telephone/test", "librispeech/x")
    study = write(
        tmp_path,
        **matrix,
        corpus={"kind": "joined", "root": str(tmp_path), "options": {"parts": parts}},
        evaluate=[{"split": name, "utterances": 4} for name in splits],
        domains=[
            {"label": "seen", "kind": "seen voices", "split": "test"},
            {"label": "phone", "kind": "telephone", "split": "telephone/test"},
            read,
        ],
    )
    ordinary = {"extends": str(CONFIGS / "smoke.yaml"), "name": "plain", **matrix}
    path = tmp_path / "plain.yaml"
    path.write_text(yaml.safe_dump({**ordinary, "evaluate": [{"split": "test", "utterances": 4}]}))
    assert main(["run", str(path)]) == 0
    store = Store.open(tmp_path / "store")
    trials, evaluations = store.finished("trials"), store.finished("evaluations")
    capsys.readouterr()
    assert main(["study", "domains", str(study)]) == 0
    assert "left out: domain 'read' (no audio of librispeech here" in capsys.readouterr().err
    assert store.finished("trials") == trials
    assert len(store.finished("evaluations")) == 2 * len(evaluations)  # `test` is shared
    page = (tmp_path / "site" / "domains.html").read_text()
    assert "read (no audio of librispeech here)" in page and "of 3 pairs of methods" in page
