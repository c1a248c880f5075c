"""Weights on disk: their hash, checked where one is known. No torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from harness.config import CodecConfig
from harness.data.download import Report, download
from harness.errors import UserError
from harness.latents.files import file_sha256


def verified_sha256(config: CodecConfig, path: Path, official: str | None = None) -> str:
    """Return a weights file's sha256.

    `official` is the known hash or its first digits. Raises UserError if the file's differs from
    it, or from the configuration's `sha256`.
    """
    found = weights_sha256(path)
    check_sha256(path, found, official, "the official weights'")
    check_sha256(path, found, config.sha256, "codec.sha256")
    return found


def weights_sha256(path: Path) -> str:
    """Return a weights file's sha256. Raises UserError if it cannot be read."""
    try:
        return file_sha256(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read as a file of weights ({error.strerror}); give another path"
        ) from error


def check_sha256(path: Path, found: str, expected: str | None, whose: str) -> None:
    """Raise UserError unless `found` starts with `expected`."""
    if expected is not None and not found.startswith(expected.lower()):
        raise UserError(
            f"{path}: sha256 starts with {found[: len(expected)][:16]}, {whose} with "
            f"{expected[:16]}; the file is damaged or another one, so get it again"
        )


def fetch_verified(url: str, path: Path, digits: str, report: Report) -> Path:
    """Download a file whose sha256 starts with `digits`; an interrupted download is continued.

    Raises UserError if the network fails or what came has another hash: then nothing is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    download(url, part, report)
    found = weights_sha256(part)
    if not found.startswith(digits):
        part.unlink()
        raise UserError(
            f"{url}: what came has sha256 {found[:16]}..., not the official {digits}...; it was "
            "removed, so try again"
        )
    part.rename(path)
    return path


def given_weights(config: CodecConfig, default: Path, hint: str) -> Path:
    """Return the configured path or the default. Raises UserError with the hint if absent."""
    path = Path(config.weights).expanduser() if config.weights else default
    if not path.exists():
        advice = "give an existing path as codec.weights" if config.weights else hint
        raise UserError(f"codec '{config.name}': weights {path} are absent; {advice}")
    return path


def safetensors_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file. Raises ValueError if it is not one."""
    with path.open("rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            raise ValueError("is too short for a safetensors file")
        (size,) = struct.unpack("<Q", prefix)
        if size > 1 << 26:
            raise ValueError("does not begin with a safetensors header")
        header = json.loads(file.read(size))
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError("does not begin with a safetensors header")
    return metadata


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its kind if it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".:") if lines else type(error).__name__
