"""The codebook study, small, as a user runs it: fits, two matrices, a page; then nothing to do."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from harness.errors import UserError
from harness.store import Store
from harness.studies.codebooks import load_study, quantizer_files, reconstruction_config

ROOT = Path(__file__).resolve().parents[2]
STUDY = f"""
extends: {ROOT}/configs/codebooks.yaml
backbone: {{layers: 1, width: 32, heads: 2}}
corpus: {{train: [valid], valid: [], held_out_voices: 1}}
training: {{steps: 4, batch_size: 2, segment_seconds: 0.5, warmup_steps: 1, validate_every: 2}}
metrics:
  - {{name: estoi}}
evaluate:
  - {{split: test, utterances: 3}}
study: {{entries: [16, 64, 256], codebooks: 3, trained_codebooks: 2, frames: 4000,
         reconstruction_metrics: [estoi]}}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return path


def study(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", "study", "codebooks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=540)


@pytest.mark.slow
def test_the_study_ends_in_a_page_and_is_not_done_twice(study_file: Path, tmp_path: Path) -> None:
    store, site = tmp_path / "store", tmp_path / "site"
    command = (str(study_file), "--store", str(store), "--site", str(site))
    first = study(*command)
    assert first.returncode == 0, first.stderr
    assert "6 of 6 quantizers to fit" in first.stderr
    page = (site / "codebooks.html").read_text()
    assert "regression" in page and "coarse_to_fine" in page
    table = pd.read_csv(site / "data" / "leaderboard.csv")
    partial = table[(table["method"] == "codec") & (table["metric"] == "estoi")]
    assert set(partial["layers"].dropna()) >= {1, 2}
    assert {"tiny+k16-n3", "tiny+k16-x1-n3", "tiny+k16-n2", "tiny+k256-x1-n2"} <= set(
        table["codec"]
    )
    again = study(*command)
    assert again.returncode == 0
    assert "to fit" not in again.stderr


def test_the_shipped_study_is_planned_as_the_question_asks(tmp_path: Path) -> None:
    config, asked = load_study(ROOT / "configs" / "codebooks.yaml")
    files = quantizer_files(config, asked, Store.create(tmp_path))
    assert set(files) == {(k, e) for k in (0, 1) for e in (256, 512, 1024, 2048, 4096)}
    run = reconstruction_config(config, asked, list(files.values()))
    assert run.methods[1].layers == list(range(1, 13))
    assert len(run.codecs) == 10


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("study: {entrys: [16]}", "unknown key 'entrys'; did you mean 'entries'"),
        ("study: {trained_codebooks: 99}", "trained_codebooks is 99"),
        ("codec: [{name: tiny}, {name: tiny-codes}]", "name one"),
        ("trainin: {}", "unknown key 'trainin'"),
        ("study: {entries: [0]}", "study: key 'entries.0'"),
        ("study: {entries: [256, 256]}", "a value occurs twice"),
        ("study: {reconstruction_metrics: [pesqq]}", "did you mean 'pesq'?"),
    ],
)
def test_a_wrong_study_is_one_clear_sentence(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(f"extends: {ROOT}/configs/codebooks.yaml\n{line}\n")
    with pytest.raises(UserError, match=r"wrong\.yaml") as error:
        load_study(path)
    assert message in str(error.value)
