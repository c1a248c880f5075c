"""What every codec promises, whatever its rates, sizes and quantizer."""

from pathlib import Path

import pytest
import torch

from harness.codecs.base import Codec
from harness.codecs.loading import load_codec
from harness.config import CodecConfig
from harness.errors import UserError


def test_geometry_is_as_declared(codec: Codec, wav: torch.Tensor) -> None:
    facts = codec.facts
    encoded = codec.encode(wav)
    count = int(encoded.frames)
    assert encoded.z.shape == (1, count, facts.dimension)
    assert encoded.codes.shape == (1, facts.codebooks, count)
    assert [tuple(book.shape) for book in codec.codebooks()] == [
        (size, facts.dimension) for size in facts.sizes
    ]
    assert codec.hop * facts.frame_rate == pytest.approx(facts.sample_rate)
    assert torch.equal(codec.quantize(encoded.z), encoded.codes)
    assert len(encoded.codes.unique()) > 3


def test_decoded_audio_covers_the_last_sample_and_no_more_than_padding(
    codec: Codec, wav: torch.Tensor
) -> None:
    whole = 3 * codec.hop
    for samples in (codec.hop, whole, whole + 1, whole - 1, whole - 7, whole - 8, whole - 9):
        encoded = codec.encode(wav[:, :samples])
        assert encoded.z.shape[1] == int(encoded.frames)
        surplus = codec.decode(encoded.z).shape[1] - samples
        assert 0 <= surplus <= codec.padding, samples


def test_embedding_is_the_sum_of_effective_codebooks(codec: Codec, wav: torch.Tensor) -> None:
    codes, books = codec.encode(wav).codes, codec.codebooks()
    for first in range(1, codec.facts.codebooks + 1):
        summed = torch.stack([books[k][codes[:, k]] for k in range(first)]).sum(0)
        torch.testing.assert_close(codec.embed(codes, first), summed)
    assert torch.equal(codec.embed(codes), codec.embed(codes, codec.facts.codebooks))


def test_padding_and_batch_change_nothing(codec: Codec, wav: torch.Tensor) -> None:
    batch = torch.stack([wav[0], wav[0]])
    batch[1, 16_000:] = 0.5  # garbage past the end
    together = codec.encode(batch, torch.tensor([24_000, 16_000]))
    alone = codec.encode(wav[:, :16_000])
    count = int(alone.frames)
    assert int(together.frames[1]) == count
    torch.testing.assert_close(together.z[1, :count], alone.z[0], atol=1e-4, rtol=1e-4)
    assert torch.equal(together.codes[1, :, :count], alone.codes[0])
    decoded = codec.decode(together.z, together.frames)
    expected = codec.decode(alone.z)[0]
    torch.testing.assert_close(decoded[1, :16_000], expected[:16_000], atol=1e-4, rtol=1e-3)


def test_decode_passes_gradients_to_the_latent(codec: Codec) -> None:
    latent = torch.zeros(1, 5, codec.facts.dimension, requires_grad=True)
    torch.autograd.backward(codec.decode(latent).diff().square().sum())
    assert latent.grad is not None
    assert torch.isfinite(latent.grad).all()
    assert latent.grad.abs().sum() > 0


def test_codebooks_made_in_inference_mode_can_still_train(codec: Codec, wav: torch.Tensor) -> None:
    with torch.inference_mode():
        codec.encode(wav)
    scale = torch.ones(1, requires_grad=True)
    torch.autograd.backward((codec.codebooks()[0] * scale).sum())
    assert scale.grad is not None


@pytest.mark.parametrize("name", ["tiny", "dac-44khz", "mimi"])
def test_a_cut_codec_is_the_whole_one_less_its_last_codes(
    name: str, saved: dict[str, Path], wav: torch.Tensor
) -> None:
    weights = str(saved[name]) if name in saved else None
    whole = load_codec(CodecConfig(name=name, weights=weights))
    for count in (1, 2):
        cut = load_codec(CodecConfig(name=name, weights=weights, codebooks=count))
        assert cut.facts.name == f"{name}-n{count}"
        assert cut.facts.bit_rate == pytest.approx(
            whole.facts.bit_rate * count / whole.facts.codebooks
        )
        codes = whole.encode(wav).codes
        assert torch.equal(cut.encode(wav).codes, codes[:, :count])
        assert torch.equal(cut.embed(codes[:, :count]), whole.embed(codes, count))


def test_audio_shorter_than_a_frame_is_refused(codec: Codec, wav: torch.Tensor) -> None:
    name, short = codec.facts.name, codec.hop - 1
    with pytest.raises(UserError, match=f"'{name}': {short} samples are less than one frame"):
        codec.encode(wav[:, :short])
    with pytest.raises(UserError, match="less than one frame"):
        codec.encode(wav[:, : 2 * codec.hop].repeat(2, 1), torch.tensor([2 * codec.hop, short]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_audio_that_is_not_finite_is_refused(codec: Codec, wav: torch.Tensor, value: float) -> None:
    broken = wav.clone()
    broken[0, -1] = value
    with pytest.raises(UserError, match=f"'{codec.facts.name}': the audio holds NaN or infinite"):
        codec.encode(broken)


def test_codes_out_of_range_are_refused(codec: Codec) -> None:
    facts = codec.facts
    good = torch.zeros(1, facts.codebooks, 4, dtype=torch.int64)
    for code in (facts.sizes[-1], -1):
        bad = good.clone()
        bad[0, -1, 2] = code
        with pytest.raises(
            UserError, match=f"'{facts.name}': code {code} of codebook {facts.codebooks}"
        ):
            codec.embed(bad)
    with pytest.raises(UserError, match=f"codes of {facts.codebooks + 1} codebooks"):
        codec.embed(torch.cat([good, good[:, :1]], 1))
