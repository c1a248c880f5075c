"""Training through a frozen decoder: every family's, on its official architecture."""

from pathlib import Path

import pytest
import torch

from harness.codecs.loading import load_codec
from harness.config import CodecConfig
from harness.training.losses import frozen_decoder

FRAMES = 9


@pytest.mark.parametrize("name", ["tiny", "encodec", "dac-16khz", "dac-24khz", "mimi"])
def test_gradients_pass_the_decoder_and_none_stay_in_it(name: str, saved: dict[str, Path]) -> None:
    codec = load_codec(CodecConfig(name=name, weights=str(saved[name]) if name in saved else None))
    decode = frozen_decoder(codec, "cpu")
    latent = torch.randn(2, FRAMES, codec.facts.dimension, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        wav = decode(latent)
    assert wav.shape == (2, FRAMES * codec.hop)
    assert wav.dtype == torch.float32
    torch.autograd.backward(wav.square().sum())
    assert latent.grad is not None
    assert bool(latent.grad.isfinite().all()) and float(latent.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in codec.parameters())
