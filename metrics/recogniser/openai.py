"""Whisper through OpenAI's own package: its loop `Whisper.transcribe`, as it is.

Source: Radford et al., "Robust speech recognition via large-scale weak supervision", 2022, arXiv
2212.04356. Utterances are read one by one: the loop takes one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metrics.base import MetricUnavailable, Samples
from metrics.given_weights import check_content
from metrics.packages import import_pinned

_PINS = {"openai-whisper": "20250625"}
# The sizes by name, with the SHA-256 that the package downloads them under.
_SIZES = {
    "tiny.en": "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
    "tiny": "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9",
    "base.en": "25a8566e1d0c1e2231d1c762132cd20e0f96a85d16145c3a00adf5d1ac670ead",
    "base": "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
    "small.en": "f953ad0fd29cacd07d5a9eda5624af0f6bcf2258be67c92b79389873d91e0872",
    "small": "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
    "medium.en": "d7440d1dc186f76616474e0ff0b3b6b879abc9d1a4926b7adfa41db2d497ab4f",
    "medium": "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
    "large-v1": "e4b87e7e0bf463eb8e6956e646f1e277e901512310def2c24bf0e11bd3c28e9a",
    "large-v2": "81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524",
    "large-v3": "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb",
    "large-v3-turbo": "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
}


class OpenAIWhisper:
    """openai-whisper on the CPU; `model` is a size by name, or a checkpoint's path."""

    packages = (*_PINS, "torch")

    def __init__(self, model: str, sha256: str, language: str) -> None:
        """Load the model, never from the network; raises MetricUnavailable if it is absent."""
        hint = f"pip install openai-whisper=={_PINS['openai-whisper']}"
        package = import_pinned("whisper", _PINS, hint)
        path = _cached(model) if model in _SIZES else Path(model).expanduser()
        if not path.is_file():
            raise MetricUnavailable(f"{path} is absent. {_download(model)}")
        check_content([path], _SIZES.get(model, sha256))
        self._model: Any = package.load_model(str(path), device="cpu")
        if language != "en" and not self._model.is_multilingual:
            raise MetricUnavailable(f"Whisper {model} does not read {language!r}")
        self._options = {
            "language": language,
            "temperature": 0.0,
            "condition_on_previous_text": False,
            "fp16": False,
        }

    @staticmethod
    def identity(model: str, sha256: str) -> str:
        """Return the model, the start of its weights' SHA-256, and the packages."""
        content = _SIZES.get(model, sha256)[:16] or "unnamed"
        name = model if model in _SIZES else Path(model).name
        pin = f"openai-whisper {_PINS['openai-whisper']}"
        return f"Whisper {name} (weights {content}), {pin}, float32, greedy"

    def read(self, batch: Sequence[Samples]) -> list[str]:
        """Return the texts in utterances (T,) at 16 kHz."""
        return [self._model.transcribe(s, **self._options)["text"].strip() for s in batch]


def _cached(size: str) -> Path:
    home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(home).expanduser() / "whisper" / f"{size}.pt"


def _download(model: str) -> str:
    if model in _SIZES:
        return f"Download it once with: python -c 'import whisper; whisper.load_model(\"{model}\")'"
    return f"Give a checkpoint's path or a size: {', '.join(_SIZES)}"
