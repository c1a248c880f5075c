"""Small codecs of each family, saved once in their published formats."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_codecs import DAC, save

from harness.codecs.base import Codec
from harness.codecs.loading import load_codec
from harness.config import CodecConfig


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small models gain nothing from more, and wait for them on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each codec's weights lie. Tests copy a folder before they change it."""
    place = tmp_path_factory.mktemp("codecs")
    return {name: save(name, place) for name in (*DAC, "mimi", "encodec")}


@pytest.fixture(scope="session", params=["tiny", "encodec", *DAC, "mimi"])
def codec(request: pytest.FixtureRequest, saved: dict[str, Path]) -> Codec:
    """One codec of each family."""
    weights = str(saved[request.param]) if request.param in saved else None
    return load_codec(CodecConfig(name=request.param, weights=weights))


@pytest.fixture(scope="session")
def wav() -> torch.Tensor:
    """One second of noise at 24 kHz, (1, T)."""
    return torch.randn(1, 24_000, generator=torch.Generator().manual_seed(1)) * 0.1
