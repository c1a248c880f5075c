"""Where, when and with what something was computed."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.records import Provenance

PACKAGES = (
    "resynth-bench",
    "torch",
    "ray",
    "encodec",
    "transformers",
    "av",
    "numpy",
    "scipy",
    "pandas",
    "soxr",
    "soundfile",
    "pesq",
    "pystoi",
    "visqol-python",
    "faster-whisper",
    "resemblyzer",
    "speechmos",
)


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance(started: str, seconds: float) -> Provenance:
    """Return the provenance of work that began at `started` and took `seconds`."""
    commit, dirty = git_state()
    return Provenance(
        git_commit=commit,
        git_dirty=dirty,
        versions=installed_versions(),
        hardware={"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()},
        started=started,
        seconds=round(seconds, 3),
    )


@cache
def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape results."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def git_state() -> tuple[str, bool]:
    """Return the commit this code was checked out at and whether it was changed since.

    An installed wheel has no checkout: the commit is then empty.
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return "", False
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return "", False


def _git(root: Path, *words: str) -> str:
    result = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


@cache
def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
