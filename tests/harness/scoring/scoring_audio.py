"""Folders of audio for the scoring tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000


def write_folder(folder: Path, audio: Sequence[np.ndarray]) -> None:
    """Write audio as u0.wav, u1.wav, ... in float."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, samples in enumerate(audio):
        soundfile.write(folder / f"u{number}.wav", samples, RATE, subtype="FLOAT")


def noisy(audio: Sequence[np.ndarray], level: float = 0.01) -> list[np.ndarray]:
    """Add white noise."""
    rng = np.random.default_rng(0)
    return [(x + rng.normal(0, level, x.size)).astype(np.float32) for x in audio]
