"""The commands as a user gives them: run, run again, kill, continue, publish; and the wheel."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESYNTH = [sys.executable, "-m", "harness.cli"]
pytestmark = pytest.mark.slow

COLUMNS = [
    *("system", "method", "variant", "codec", "bitrate", "data_size", "nfe", "layers", "seed"),
    *("sample", "split", "metric", "mean", "ci_low", "ci_high", "n", "n_speakers", "n_missing"),
    *("n_not_applicable", "unit", "higher_is_better"),
]


def resynth(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RESYNTH, *arguments], cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smoke")
    result = resynth(
        "run", "smoke", "--store", str(folder / "store"), "--site", str(folder / "site")
    )
    assert result.returncode == 0, result.stderr
    return folder


def test_the_table_is_complete(finished: Path) -> None:
    with (finished / "site" / "data" / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    estoi = {
        row["system"]: row for row in rows if row["metric"] == "estoi" and row["split"] == "test"
    }
    assert len(estoi) == 4 + 2 * (1 + 2)
    assert all(row["n"] == "3" and row["n_missing"] == "0" for row in estoi.values())


def test_a_second_run_does_nothing(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "store").rglob("table.parquet")}
    result = resynth(
        "run", "smoke", "--store", str(finished / "store"), "--site", str(finished / "site")
    )
    assert result.returncode == 0
    assert "nothing was left to do" in result.stdout
    assert before == {p: p.stat().st_mtime_ns for p in (finished / "store").rglob("table.parquet")}


def test_a_killed_run_continues_to_the_same_table(finished: Path, tmp_path: Path) -> None:
    store, site = tmp_path / "store", tmp_path / "site"
    arguments = ["run", "smoke", "--store", str(store), "--site", str(site)]
    process = subprocess.Popen(
        [*RESYNTH, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: any(store.glob("evaluations/*/record.json")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in store.glob("*/*/record.json")}
    assert kept
    result = resynth(*arguments)
    assert result.returncode == 0, result.stderr
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    assert signal_scores(site) == signal_scores(finished / "site")


def wait_for(condition: object, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        assert callable(condition)
        if condition():
            return
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.05)
    raise AssertionError("nothing was finished in 900 s")


def signal_scores(site: Path) -> list[tuple[str, ...]]:
    """Every score that does not measure time."""
    with (site / "data" / "leaderboard.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] in ("si_snr", "estoi")]
    return sorted((r["system"], r["split"], r["metric"], r["mean"], r["ci_low"]) for r in rows)


def test_serve_previews_the_site(finished: Path) -> None:
    process = subprocess.Popen(
        [*RESYNTH, "serve", str(finished / "site")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        with urllib.request.urlopen(address) as answer:
            assert b"Neural codec resynthesis" in answer.read()
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_doctor_finds_everything_a_demo_needs() -> None:
    result = resynth("doctor", "--json")
    assert result.returncode == 0, result.stdout
    found = {row["what"]: row["state"] for row in json.loads(result.stdout)}
    assert found["embedded corpus"] == found["codec tiny"] == found["metric visqol"] == "ok"


def test_a_cluster_that_is_not_there_is_exit_code_2(tmp_path: Path) -> None:
    store, site = str(tmp_path / "store"), str(tmp_path / "site")
    result = resynth("run", "smoke", "--store", store, "--site", site, "--address", "127.0.0.1:1")
    assert result.returncode == 2, result.stderr
    assert "no Ray cluster at 127.0.0.1:1" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_wheel_works_outside_the_checkout(finished: Path, tmp_path: Path) -> None:
    wheels, target = tmp_path / "wheels", tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)], check=True)
    wheel = next(wheels.glob("resynth_bench-*.whl"))
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    code = "import harness, configs; print(harness.__file__)"
    place = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert place.stdout.startswith(str(target))
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "harness.cli",
            "publish",
            "--store",
            str(finished / "store"),
            "--out",
            "site",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site" / "index.html").is_file()
    planned = subprocess.run(
        [sys.executable, "-m", "harness.cli", "plan", "smoke"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert planned.returncode == 0, planned.stderr
