"""DAC against transformers' own forward, and its factorised codes."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_codecs import DAC, dac_model

from harness.codecs.catalog import codec_facts
from harness.codecs.dac import Dac, decoded_samples
from harness.codecs.hub import snapshot
from harness.codecs.loading import load_codec
from harness.config import CodecConfig
from harness.errors import UserError

from transformers import DacConfig, DacFeatureExtractor, DacModel  # isort: skip

OFFICIAL = {"dac-16khz": 12, "dac-24khz": 32, "dac-44khz": 9}
STATED = {"dac-16khz": (50, 6), "dac-24khz": (75, 24), "dac-44khz": (86, 8)}  # Hz, kb/s


def load(saved: dict[str, Path], name: str) -> Dac:
    codec = load_codec(CodecConfig(name=name, weights=str(saved[name])))
    assert isinstance(codec, Dac)
    return codec


def check_parity(ours: Dac, official: DacModel, wav: torch.Tensor) -> None:
    """Codes, decoder input and audio for every number of codebooks, bit for bit."""
    codes = ours.encode(wav).codes
    whole = torch.zeros(1, codes.shape[2] * ours.hop)
    whole[:, : wav.shape[1]] = wav
    with torch.no_grad():
        theirs = official.encode(whole[None])
        assert torch.equal(theirs.audio_codes, codes)
        for first in range(1, ours.facts.codebooks + 1):
            latent = ours.embed(codes, first)
            expected = official.quantizer.from_codes(codes[:, :first])[0]
            assert torch.equal(latent, expected.transpose(1, 2))
            audio = official.decode(audio_codes=codes[:, :first]).audio_values
            assert torch.equal(ours.decode(latent), audio)
        assert torch.equal(ours.encode(wav).z, official.encoder(whole[None]).transpose(1, 2))


@pytest.mark.parametrize("name", DAC)
@pytest.mark.parametrize("samples", [16_000, 16_001, 15_999])
def test_it_agrees_with_the_library_bit_for_bit(
    saved: dict[str, Path], wav: torch.Tensor, name: str, samples: int
) -> None:
    check_parity(load(saved, name), dac_model(name), wav[:, :samples])


def test_the_padding_is_the_librarys_own_where_its_decoder_loses_nothing(
    saved: dict[str, Path], wav: torch.Tensor
) -> None:
    ours, official = load(saved, "dac-44khz"), dac_model("dac-44khz")
    process = DacFeatureExtractor(sampling_rate=44_100, hop_length=512)
    inputs = process(wav[0].numpy(), sampling_rate=44_100, return_tensors="pt")["input_values"]
    with torch.no_grad():
        assert torch.equal(official.encode(inputs).audio_codes, ours.encode(wav).codes)


@pytest.mark.parametrize("name", OFFICIAL)
def test_real_weights_agree_with_the_library(name: str, wav: torch.Tensor) -> None:
    folder = snapshot(f"descript/{name.replace('-', '_')}")
    if not folder.is_dir():
        pytest.skip(f"{name} is not in the hub's cache")
    ours = load_codec(CodecConfig(name=name))
    assert isinstance(ours, Dac)
    official = DacModel.from_pretrained(folder, local_files_only=True).eval()
    aligned = {name: tensor.clone() for name, tensor in official.state_dict().items()}
    official.load_state_dict(aligned, assign=True)  # as ours: see harness.codecs.pretrained
    check_parity(ours, official, wav)


@pytest.mark.parametrize("name", OFFICIAL)
def test_facts_of_the_published_models(tmp_path: Path, name: str) -> None:
    DacConfig(**{**DAC[name], "n_codebooks": OFFICIAL[name]}).save_pretrained(tmp_path)
    save_file({"any": torch.zeros(1)}, tmp_path / "model.safetensors")
    facts = codec_facts(CodecConfig(name=name, weights=str(tmp_path)))
    rate, bits = STATED[name]
    assert (facts.sizes, facts.dimension) == ((1024,) * OFFICIAL[name], 1024)
    assert facts.sample_rate == DAC[name]["sampling_rate"]
    assert facts.frame_rate == facts.sample_rate / math.prod(DAC[name]["downsampling_ratios"])
    assert round(facts.frame_rate) == rate
    assert round(facts.bit_rate / 1000) == bits
    assert facts.bit_rate == facts.frame_rate * OFFICIAL[name] * 10
    assert facts.licence == "MIT"


def test_one_more_frame_where_the_decoder_would_end_early(
    saved: dict[str, Path], wav: torch.Tensor
) -> None:
    codec = load(saved, "dac-24khz")
    assert codec.lost == 8  # the stride of 5 costs a sample, 4 * 2 of them at the output
    assert decoded_samples(10, [8, 5, 4, 2]) == 3192
    assert codec.decode(codec.encode(wav[:, :3192]).z).shape == (1, 3192)
    assert codec.encode(wav[:, :3192]).frames.tolist() == [10]
    assert codec.encode(wav[:, :3193]).frames.tolist() == [11]
    assert load(saved, "dac-44khz").lost == 0


def test_codes_are_nearest_in_angle_not_in_the_latent(
    saved: dict[str, Path], wav: torch.Tensor
) -> None:
    codec = load(saved, "dac-24khz")
    encoded, layer = codec.encode(wav), codec.model.quantizer.quantizers[2]
    residual = encoded.z - codec.embed(encoded.codes, 2)
    inner = layer.in_proj(residual.transpose(1, 2))[0].T
    angles = torch.nn.functional.cosine_similarity(inner[:, None], layer.codebook.weight, dim=-1)
    assert torch.equal(angles.argmax(1), encoded.codes[0, 2])
    euclidean = torch.cdist(residual[0], codec.codebooks()[2]).argmin(1)
    assert not torch.equal(euclidean, encoded.codes[0, 2])


def test_another_rate_is_another_codec(saved: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r"config\.json: is of a codec at 24000 Hz, 'dac-16khz'"):
        codec_facts(CodecConfig(name="dac-16khz", weights=str(saved["dac-24khz"])))
    with pytest.raises(UserError, match="has no option 'bandwidth'"):
        codec_facts(CodecConfig(name="dac-16khz", weights=str(saved["dac-16khz"]), bandwidth=6.0))
    with pytest.raises(UserError, match="has 4 codebooks, 5 are asked for"):
        codec_facts(CodecConfig(name="dac-16khz", weights=str(saved["dac-16khz"]), codebooks=5))
