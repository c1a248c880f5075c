"""Pairs of real speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scoring_audio import RATE, noisy, write_folder

from harness.audio import read_audio
from harness.data.embedded import EmbeddedCorpus
from harness.scoring.items import Item


@pytest.fixture(scope="session")
def speech() -> list[np.ndarray]:
    """Six short utterances of the embedded corpus, (T,) at 16 kHz."""
    corpus = EmbeddedCorpus()
    rows = sorted(corpus.split("test"), key=lambda row: row.seconds)[:6]
    return [read_audio(corpus.read_bytes(row), row.id, RATE)[0] for row in rows]


@pytest.fixture
def items(tmp_path: Path, speech: list[np.ndarray]) -> list[Item]:
    """Six pairs of two speakers."""
    write_folder(tmp_path / "references", speech)
    write_folder(tmp_path / "estimates", noisy(speech))
    return [
        Item(
            utterance=f"u{n}",
            speaker=f"s{n % 2}",
            reference=tmp_path / f"references/u{n}.wav",
            estimate=tmp_path / f"estimates/u{n}.wav",
            rate=RATE,
        )
        for n in range(len(speech))
    ]
