"""Start-up costs, as ratios to an interpreter that imports what a command cannot do without."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.bench


def seconds(*arguments: str) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return min(times)


def test_help_and_plan(capsys: pytest.CaptureFixture[str]) -> None:
    bare = seconds("-c", "pass")
    numbers = seconds("-c", "import numpy, pydantic, yaml, soundfile")
    help_, plan = (
        seconds("-m", "harness.cli", "--help"),
        seconds("-m", "harness.cli", "plan", "quick"),
    )
    torch = seconds("-c", "import torch")
    with capsys.disabled():
        print(
            f"\nbare python {bare:.2f} s, numpy+pydantic {numbers:.2f} s, torch {torch:.2f} s, "
            f"resynth --help {help_:.2f} s, resynth plan quick {plan:.2f} s"
        )
    assert help_ < numbers  # parsing imports none of them
    assert plan < torch + numbers  # and planning does not import torch
