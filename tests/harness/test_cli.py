import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.cli import main
from harness.store import Store

ROOT = Path(__file__).resolve().parents[2]
SMOKE = str(ROOT / "configs" / "smoke.yaml")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for command in ("plan", "run", "publish", "serve", "doctor", "data", "codec", "methods"):
        assert command in text


def test_plan_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["plan", SMOKE, "--store", str(tmp_path / "none"), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert len(plan["trials"]) == 4
    assert not any(trial["done"] for trial in plan["trials"])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["publish", "--store", "nowhere", "--out", "x"], "there is no store here"),
        (["serve", "nowhere"], "there is no site here"),
        (["codec", "info", "tinny"], "did you mean 'tiny'?"),
        (["codec", "train", "codec-tiny", "--out", "nowhere/x"], "folder nowhere does not exist"),
        (["data", "info", "libri"], "unknown corpus 'libri'"),
        (["data", "info", "embedded", "--split", "tset"], "did you mean 'test'?"),
        (
            ["data", "fetch", "librispeech", "test-cleen", "--root", "x"],
            "did you mean 'test-clean'?",
        ),
        (["methods", "show", "brige"], "did you mean 'bridge'?"),
        (["metrics", "show", "visquol"], "did you mean 'visqol'?"),
    ],
)
def test_bad_input_is_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_store_in_use_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.create(tmp_path).lock():
        assert main(["run", SMOKE, "--store", str(tmp_path), "--site", str(tmp_path / "s")]) == 2
    assert "another run is writing it" in capsys.readouterr().err


def test_data_verify_finds_a_bad_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    soundfile.write(tmp_path / "good.wav", good, 16_000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000, np.float32), 16_000)
    arguments = [
        "data",
        "verify",
        "folder",
        "--root",
        str(tmp_path),
        "--option",
        "sample_rate=16000",
    ]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert "silent" in captured.out
    assert "1 problems found" in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["methods", "list"],
        ["metrics", "list"],
        ["codec", "info", "tiny"],
        ["data", "info", "embedded"],
        ["methods", "show", "bridge"],
    ],
)
def test_json_everywhere(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
