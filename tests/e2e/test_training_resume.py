"""A run killed in the middle of a training goes on where it was, and ends with the same bits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from harness.config import CONFIGS

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def config(folder: Path, **compute: int) -> Path:
    """One bridge, long enough to be killed, saving its state at every step."""
    path = folder / "resume.yaml"
    content = {
        "extends": str(CONFIGS / "smoke.yaml"),
        "training": {
            "steps": 60,
            "batch_size": 4,
            "accumulate": 2,
            "checkpoint_minutes": 0,
            "ema": 0.9,
        },
        "data_sizes": ["10%"],
        "checkpoints": ["last", "best"],
        "methods": [{"name": "bridge", "nfe": [1]}],
        "compute": {"workers": 1, **compute},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def command(path: Path, folder: Path) -> list[str]:
    where = ["--store", str(folder / "store"), "--site", str(folder / "site")]
    return [sys.executable, "-m", "harness.cli", "run", str(path), *where]


def run(path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(path, folder), cwd=ROOT, capture_output=True, text=True)


def weights(folder: Path) -> dict[str, bytes]:
    (trial,) = (folder / "store" / "trials").iterdir()
    return {path.name: path.read_bytes() for path in trial.glob("*.safetensors")}


def test_killed_and_resumed_is_bit_identical(tmp_path: Path) -> None:
    path = config(tmp_path)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = subprocess.Popen(
        command(path, killed),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not list(killed.glob("store/checkpoints/*.pt")):
        assert process.poll() is None, "it ended before a checkpoint was seen"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(killed.glob("store/trials/*/record.json")), "killed too late to test anything"
    for folder in (whole, killed):
        result = run(path, folder)
        assert result.returncode == 0, result.stderr
    assert set(weights(whole)) == {"last.safetensors", "best.safetensors"}
    assert weights(killed) == weights(whole)
    assert not list(killed.glob("store/checkpoints/*"))


def test_a_worker_of_two_processes_trains_a_trial(tmp_path: Path) -> None:
    path = config(tmp_path, ranks=2, cpus_per_worker=2)
    result = run(path, tmp_path)
    assert result.returncode == 0, result.stderr
    (record,) = (tmp_path / "store" / "trials").glob("*/record.json")
    assert '"ranks": 2' in record.read_text()
