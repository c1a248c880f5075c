"""Audio files and trees that the data tests share."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from harness.data.corpus import Utterance

ROOT = Path(__file__).resolve().parents[3]
LIBRISPEECH = (ROOT / "../shared/data/LibriSpeech").resolve()
MakeAudio = Callable[..., Path]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))


@pytest.fixture
def librispeech() -> Path:
    """The LibriSpeech excerpt that lies beside the repository on the development machine."""
    if not LIBRISPEECH.is_dir():
        pytest.skip("no LibriSpeech excerpt beside the repository")
    return LIBRISPEECH


def noise(seconds: float, rate: int, seed: int) -> NDArray[np.float32]:
    """Return audible noise, another for every seed."""
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate))
    return samples.astype(np.float32)


@pytest.fixture
def make_audio() -> MakeAudio:
    """A function that writes `samples`, or `seconds` of noise, to `path`, and returns `path`."""

    def make(
        path: Path,
        seconds: float = 1.0,
        rate: int = 16_000,
        seed: int = 0,
        samples: NDArray[Any] | None = None,
        subtype: str | None = None,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        formats = {".sph": "NIST", ".opus": "OGG"}
        buffer = io.BytesIO()
        soundfile.write(
            buffer,
            noise(seconds, rate, seed) if samples is None else samples,
            rate,
            subtype="OPUS" if path.suffix == ".opus" else subtype,
            format=formats.get(path.suffix, path.suffix[1:].upper()),
        )
        path.write_bytes(buffer.getvalue())
        return path

    return make


def make_row(key: str, **fields: Any) -> Utterance:
    """Return an utterance whose other fields follow from its id."""
    row: dict[str, Any] = {
        "id": key,
        "speaker": "s",
        "voice": "v",
        "language": "en",
        "seconds": 1.0,
        "transcript": None,
        "split": "train",
        "path": f"{key}.wav",
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
    }
    return Utterance(**(row | fields))


@pytest.fixture(name="make_row")
def make_row_fixture() -> Callable[..., Utterance]:
    """The function `make_row`."""
    return make_row
