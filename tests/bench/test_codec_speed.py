"""The embedded codec against EnCodec, side by side: encode and decode on one CPU thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest
import torch

from harness.codecs.base import Codec
from harness.codecs.encodec24 import Encodec24
from harness.codecs.loading import load_codec
from harness.codecs.official import EncodecModel
from harness.codecs.tiny_codec import TinyCodec
from harness.config import CodecConfig

pytestmark = pytest.mark.bench
SECONDS, ROUNDS, TIMES = 4.0, 7, 10
Call = Callable[[], object]


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


def stages(codec: Codec, encoder: Call, wav: torch.Tensor) -> tuple[Call, Call]:
    """Return the encoder and decoder alone, and the codec with its quantizer between them."""
    encoded = codec.encode(wav)

    def networks() -> object:
        encoder()
        return codec.decode(encoded.z)

    return networks, lambda: codec.decode(codec.embed(codec.encode(wav).codes))


def seconds(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


@torch.inference_mode()
def test_tiny_is_many_times_faster_than_encodec(
    tmp_path: Path, one_thread: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The quantizer is the same code at the same size in both, so the networks are compared."""
    tiny, encodec = load_codec(CodecConfig()), official_size(tmp_path)
    for fact in ("sample_rate", "frame_rate", "sizes", "dimension"):
        assert getattr(tiny.facts, fact) == getattr(encodec.facts, fact)
    assert isinstance(tiny, TinyCodec) and isinstance(encodec, Encodec24)
    samples = round(SECONDS * tiny.facts.sample_rate)
    wav = torch.randn(1, samples, generator=torch.Generator().manual_seed(0)) * 0.1
    whole = torch.ones(1, tiny.model.frames(samples), 1)
    own = stages(tiny, lambda: tiny.model.encode(wav, whole), wav)
    official = stages(encodec, lambda: encodec.model.encoder(wav[None]), wav)
    names = ("encoder + decoder", "with the quantizer")
    ratios: tuple[list[float], list[float]] = ([], [])
    for name, fast, slow, found in zip(names, own, official, ratios, strict=True):
        factors = []
        for _ in range(ROUNDS):  # interleaved, so that another process slows both
            factors.append((median(seconds(fast) for _ in range(TIMES)), seconds(slow)))
            found.append(factors[-1][1] / factors[-1][0])
        with capsys.disabled():
            mine, theirs = (median(pair[i] for pair in factors) / SECONDS for i in (0, 1))
            print(
                f"\n{name}: real-time factor {mine:.4f} (tiny) and {theirs:.3f} (EnCodec), "
                f"{median(found):.1f} times (rounds: {', '.join(f'{x:.1f}' for x in found)})"
            )
    assert median(ratios[0]) >= 10  # the target is 20; a busy machine must not fail the suite
