"""Brings a metric's packages and model files in, at the version and hash its facts declare."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from metrics.base import MetricUnavailable


def import_pinned(module: str, pins: Mapping[str, str], hint: str = "") -> Any:
    """Import `module` once every distribution in `pins` is installed at its exact version.

    Values depend on these packages and `Facts.version` names them, so another version is
    refused rather than served under a name that is not its own. `hint` says what else to try.

    Raises:
        MetricUnavailable: a distribution is absent, at another version, or does not import.
    """
    for distribution, wanted in pins.items():
        _check_version(distribution, wanted)
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        raise MetricUnavailable(
            f"{module} cannot be imported ({error}). {hint or _reinstall(pins)}"
        ) from error


def verified(path: Path, sha256: str, pins: Mapping[str, str]) -> Path:
    """Return `path` once its content has the `sha256` measured when the metric was written.

    Raises:
        MetricUnavailable: the file is absent or differs.
    """
    if not path.is_file():
        raise MetricUnavailable(f"model file {path.name} is absent. {_reinstall(pins)}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise MetricUnavailable(
            f"model file {path.name} has sha256 {found}, not {sha256}. {_reinstall(pins)}"
        )
    return path


def _check_version(distribution: str, wanted: str) -> None:
    install = f"pip install {distribution}=={wanted}"
    try:
        found = version(distribution)
    except PackageNotFoundError as error:
        raise MetricUnavailable(f"{distribution} is not installed: {install}") from error
    if found != wanted:
        raise MetricUnavailable(f"{distribution} is {found}, not {wanted}: {install}")


def _reinstall(pins: Mapping[str, str]) -> str:
    wanted = " ".join(f"{name}=={pin}" for name, pin in pins.items())
    return f"Reinstall it: pip install --force-reinstall --no-deps {wanted}"
