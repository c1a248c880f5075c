"""`resynth score` on two folders: files in, tables out, and one sentence for what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scoring_audio import noisy, write_folder

from harness.audio import fit_resampled, resample
from harness.cli import main
from harness.commands.choice import metric_names
from harness.records import SCORE_COLUMNS
from metrics import registry

Run = Callable[..., int]


@pytest.fixture
def folders(tmp_path: Path, speech: list[np.ndarray]) -> Path:
    write_folder(tmp_path / "references", speech)
    write_folder(tmp_path / "estimates", noisy(speech))
    return tmp_path


@pytest.fixture
def run(folders: Path) -> Run:
    def score(*options: str, estimates: str = "estimates", reference: str = "references") -> int:
        places = [str(folders / estimates), "--reference", str(folders / reference)]
        kept = ["--cache", str(folders / "cache"), "--processes", "1"]
        return main(["score", *places, *kept, *options])

    return score


def read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path)


def test_every_row_has_the_columns_that_scripts_rely_on(
    run: Run, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = [folders / f"scores{suffix}" for suffix in (".csv", ".parquet", ".json")]
    for out in outs:
        assert run("--metrics", "si_snr,estoi", "--out", str(out)) == 0
    printed = capsys.readouterr()
    assert "SI-SNR" in printed.out
    assert "6 pairs; intervals are over utterances (speakers are not known)" in printed.out
    assert "12 of 12 scores are known from before" in printed.err
    table = pd.read_csv(outs[0])
    assert list(table) == SCORE_COLUMNS
    assert (table.groupby("metric")["utterance"].count() == 6).all()
    np.testing.assert_array_equal(table["value"], read(outs[1])["value"])
    content = json.loads(outs[2].read_text())
    assert [row["value"] for row in content["rows"]] == table["value"].tolist()
    assert content["summary"][0]["scored"] == 6
    assert content["resampling"].startswith("soxr")


def test_missing_rows_are_told_exit_with_1_and_alone_are_tried_again(
    run: Run, folders: Path, speech: list[np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "estimates/u3.wav").unlink()
    write_folder(folders / "estimates", noisy(speech)[:1])
    short = folders / "estimates/u1.wav"
    whole = short.read_bytes()
    short.write_bytes(b"no audio")
    out = folders / "scores.parquet"
    assert run("--metrics", "si_snr", "--out", str(out)) == 1
    told = capsys.readouterr().err
    assert "2 of 6 scores are missing" in told
    assert "si_snr, u3: there is no estimate" in told
    assert "si_snr, u1: estimate: cannot be read as audio" in told
    assert read(out)["status"].tolist().count("missing") == 2
    short.write_bytes(whole)
    write_folder(folders / "again", noisy(speech))
    shutil.copy(folders / "again/u3.wav", folders / "estimates/u3.wav")
    assert run("--metrics", "si_snr", "--out", str(out)) == 0
    assert "4 of 6 scores are known from before" in capsys.readouterr().err
    assert (read(out)["status"] == "scored").all()


def test_the_reference_itself_is_infinite_in_every_format(
    run: Run, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folders / "scores.json"
    assert run("--metrics", "si_snr", "--out", str(out), estimates="references") == 0
    assert "6 infinite" in capsys.readouterr().out
    assert {row["value"] for row in json.loads(out.read_text())["rows"]} == {"inf"}


def test_speakers_of_the_transcripts_are_the_clusters(
    run: Run, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"u{n},some words,speaker{n // 2}" for n in range(6)] + ["other,more words,x"]
    told = folders / "told.csv"
    told.write_text("\n".join(["utterance,transcript,speaker", *lines]))
    assert run("--metrics", "estoi", "--transcripts", str(told), "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["estimate"]["speakers"] == 3


def test_without_a_transcript_wer_is_not_applicable_and_nothing_is_missing(
    run: Run, folders: Path
) -> None:
    out = folders / "scores.parquet"
    assert run("--metrics", "wer", "--out", str(out)) == 0
    table = read(out)
    assert (table["status"] == "not applicable").all()
    assert table["reason"].str.contains("no transcript").all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metrics", "pesk"], "did you mean 'pesq'"),
        (["--metrics", "pesq,,"], "names separated by commas"),
        (["--out", "scores.xlsx"], "end its name with .csv, .parquet, .json"),
        (["--out", "no/such/folder.csv"], "folder no/such does not exist"),
        (["--transcripts", "nowhere.csv"], "nowhere.csv: cannot be read as CSV"),
    ],
)
def test_bad_options_are_one_sentence(
    run: Run, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utterance,text\nu0,a", "column 'text' is not understood; valid names: language"),
        ("transcript\na", "no column 'utterance'"),
        ("utterance,transcript\nu0,a\nu0,b", "row 3: utterance 'u0' occurs twice"),
        ("utterance,transcript\nu0,a,b", "row 2: has more or fewer cells"),
        ("utterance,transcript\nu0", "row 2: has more or fewer cells"),
    ],
)
def test_bad_transcripts_are_one_sentence(
    run: Run, folders: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = folders / "told.csv"
    told.write_text(text)
    assert run("--transcripts", str(told)) == 2
    assert message in capsys.readouterr().err


def test_folders_that_do_not_pair(
    run: Run, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "empty").mkdir()
    assert run(estimates="empty") == 2
    assert "holds no audio file" in capsys.readouterr().err
    assert run(estimates="nowhere") == 2
    assert "there is no such folder" in capsys.readouterr().err
    for path in list((folders / "estimates").iterdir()):
        path.rename(path.with_stem(f"other-{path.stem}"))
    assert run() == 2
    assert "name estimates as their references" in capsys.readouterr().err


def test_two_files_of_one_name(run: Run, folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(folders / "estimates/u0.wav", folders / "estimates/u0.flac")
    assert run() == 2
    assert "has the same name; remove one of them" in capsys.readouterr().err


def test_estimates_at_another_rate_need_the_users_word(
    run: Run, folders: Path, speech: list[np.ndarray]
) -> None:
    import soundfile
    import soxr

    for number, samples in enumerate(speech):
        up = soxr.resample(samples, 16_000, 24_000)
        (folders / "up").mkdir(exist_ok=True)
        soundfile.write(folders / f"up/u{number}.wav", up, 24_000, subtype="FLOAT")
    assert run("--metrics", "estoi", estimates="up") == 1
    out = folders / "scores.parquet"
    options = ("--metrics", "estoi", "--resample", "--padding", "1", "--out", str(out))
    assert run(*options, estimates="up") == 0
    assert (read(out)["value"] > 0.99).all()


@pytest.mark.parametrize(("made", "known"), [(16_000, 24_000), (16_000, 44_100), (44_100, 16_000)])
def test_rounding_at_another_rate_is_no_mismatch(made: int, known: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for length in range(known, known + 40):
        reference = rng.normal(0, 0.1, length).astype(np.float32)
        estimate = resample(reference, known, made)
        fitted = fit_resampled(resample(estimate, made, known), length, (made, known))
        assert len(fitted) == length
    far = fit_resampled(reference[:-9], length, (made, known))
    assert len(far) == length - 9  # left as it is, to be refused


def test_metrics_of_a_file_have_parameters(run: Run, folders: Path) -> None:
    listed, out = folders / "metrics.yaml", folders / "scores.parquet"
    text = (
        "metrics: [{name: dwer}, {name: dwer, variant: basic, params: {normaliser: whisper-basic}}]"
    )
    listed.write_text(text)
    assert run("--metrics", str(listed), "--out", str(out)) == 0
    assert read(out)["metric"].unique().tolist() == ["dwer", "dwer_basic"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics: [{name: dwer, params: {modell: x}}]", "parameter 'modell'"),
        ("metrics: [{name: pesq}, {name: pesq}]", "'pesq' is listed twice"),
        ("metrics: []", "at least 1 item"),
        ("- pesq", "must hold a mapping"),
    ],
)
def test_a_bad_file_of_metrics_is_one_sentence(
    run: Run, folders: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = folders / "metrics.yaml"
    listed.write_text(text)
    assert run("--metrics", str(listed)) == 2
    assert message in capsys.readouterr().err


def test_without_a_choice_every_metric_of_audio_that_comes_installed_is_taken() -> None:
    found, taken = registry.discover(), metric_names(None)
    assert {"pesq", "wer", "dnsmos"} <= set(taken)
    assert not {"utmos", "latent_error", "real_time_factor"} & set(taken)
    assert not any(found[name].optional for name in taken)


def test_a_language_is_a_code(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--language", "English") == 2
    assert "'English' is not a code of ISO 639" in capsys.readouterr().err


def test_a_damaged_file_of_scores_is_said(
    run: Run, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--metrics", "si_snr") == 0
    for path in (folders / "cache").glob("scores.sqlite*"):
        path.write_bytes(b"\xff" * 20_000)
    assert run("--metrics", "si_snr") == 2
    assert "cannot be used to keep scores" in capsys.readouterr().err


@pytest.mark.usefixtures("faulty")
def test_an_absent_model_is_bad_input(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--metrics", "si_snr,absent") == 2
    assert "model x is absent: pip install x" in capsys.readouterr().err
