"""The embedded codec against EnCodec, side by side: encode and decode on one CPU thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
import torch

from harness.codecs.base import Codec
from harness.codecs.loading import load_codec
from harness.codecs.official import EncodecModel
from harness.config import CodecConfig

pytestmark = pytest.mark.bench
SECONDS, ROUNDS, TIMES = 4.0, 5, 20


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def official_size(folder: Path) -> Codec:
    """EnCodec 24 kHz; the speed does not depend on what its weights are."""
    torch.manual_seed(0)
    path = folder / "seeded.th"
    torch.save(EncodecModel.encodec_model_24khz(pretrained=False).state_dict(), path)
    return load_codec(CodecConfig(name="encodec", weights=str(path)))


@torch.inference_mode()
def seconds(codec: Codec, wav: torch.Tensor) -> float:
    """Encode to z and codes, embed all of them and decode; the source's comparison."""
    started = time.perf_counter()
    codec.decode(codec.embed(codec.encode(wav).codes))
    return time.perf_counter() - started


def test_tiny_is_twenty_times_faster_than_encodec(
    tmp_path: Path, one_thread: None, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny, encodec = load_codec(CodecConfig()), official_size(tmp_path)
    assert tiny.facts.sample_rate == encodec.facts.sample_rate
    assert tiny.facts.bit_rate == encodec.facts.bit_rate
    samples = round(SECONDS * tiny.facts.sample_rate)
    wav = torch.randn(1, samples, generator=torch.Generator().manual_seed(0)) * 0.1
    seconds(tiny, wav), seconds(encodec, wav)
    ratios, factors = [], []
    for _ in range(ROUNDS):  # interleaved, so that another process slows both
        slow = seconds(encodec, wav)
        fast = median(seconds(tiny, wav) for _ in range(TIMES))
        ratios.append(slow / fast)
        factors.append((fast / SECONDS, slow / SECONDS))
    with capsys.disabled():
        own, official = (median(factor[i] for factor in factors) for i in (0, 1))
        print(
            f"\nreal-time factors on one thread: tiny {own:.4f}, EnCodec {official:.3f}; "
            f"tiny is {median(ratios):.1f} times faster (rounds: "
            f"{', '.join(f'{ratio:.1f}' for ratio in ratios)})"
        )
    assert median(ratios) >= 20
