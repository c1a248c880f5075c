"""Mimi against transformers' own forward, and its semantic codebook."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_codecs import mimi_model

from harness.codecs.catalog import codec_facts
from harness.codecs.hub import snapshot
from harness.codecs.loading import load_codec
from harness.codecs.mimi import Mimi
from harness.config import CodecConfig
from harness.errors import UserError

from transformers import MimiConfig, MimiModel  # isort: skip


def load(weights: Path | None) -> Mimi:
    codec = load_codec(CodecConfig(name="mimi", weights=str(weights) if weights else None))
    assert isinstance(codec, Mimi)
    return codec


def check_parity(ours: Mimi, official: MimiModel, wav: torch.Tensor) -> None:
    """Codes, decoder input and audio for every number of codebooks, bit for bit."""
    with torch.no_grad():
        codes = ours.encode(wav).codes
        assert torch.equal(official.encode(wav[None]).audio_codes, codes)
        for first in range(1, ours.facts.codebooks + 1):
            latent = ours.embed(codes, first)
            expected = official.quantizer.decode(codes[:, :first])
            assert torch.equal(latent, expected.transpose(1, 2))
            audio = official.decode(codes[:, :first]).audio_values
            assert torch.equal(ours.decode(latent), audio[:, 0])


@pytest.mark.parametrize("samples", [23_040, 23_041, 24_000, 1920])
def test_it_agrees_with_the_library_bit_for_bit(
    saved: dict[str, Path], wav: torch.Tensor, samples: int
) -> None:
    check_parity(load(saved["mimi"]), mimi_model(), wav[:, :samples])


def test_real_weights_agree_with_the_library(wav: torch.Tensor) -> None:
    folder = snapshot("kyutai/mimi")
    if not folder.is_dir():
        pytest.skip("mimi is not in the hub's cache")
    official = MimiModel.from_pretrained(folder, local_files_only=True).eval()
    aligned = {name: tensor.clone() for name, tensor in official.state_dict().items()}
    official.load_state_dict(aligned, assign=True)  # as ours: see harness.codecs.pretrained
    check_parity(load(None), official, wav)


def test_facts_of_the_published_model(tmp_path: Path) -> None:
    MimiConfig(frame_rate=12.5).save_pretrained(tmp_path)
    save_file({"any": torch.zeros(1)}, tmp_path / "model.safetensors")
    facts = codec_facts(CodecConfig(name="mimi", weights=str(tmp_path)))
    assert (facts.sample_rate, facts.frame_rate) == (24_000, 12.5)
    assert (facts.sizes, facts.dimension) == ((2048,) * 32, 512)
    assert facts.bit_rate == 32 * 11 * 12.5
    assert facts.parallel_codebooks == 1
    assert facts.licence == "CC BY 4.0"
    cut = codec_facts(CodecConfig(name="mimi", weights=str(tmp_path), codebooks=8))
    assert (cut.name, cut.bit_rate, cut.parallel_codebooks) == ("mimi-n8", 1100.0, 1)


def test_an_older_config_is_read_alike(saved: dict[str, Path], tmp_path: Path) -> None:
    """Published before transformers 5: the frame rate and the rotary base stand by themselves."""
    settings = json.loads((saved["mimi"] / "config.json").read_text())
    for key in ("_frame_rate", "rope_parameters", "use_streaming", "tie_word_embeddings"):
        del settings[key]
    older = {**settings, "frame_rate": 12.5, "rope_theta": 10_000.0, "normalize": False}
    (tmp_path / "config.json").write_text(json.dumps(older))
    (tmp_path / "model.safetensors").symlink_to(saved["mimi"] / "model.safetensors")
    wav = torch.randn(1, 24_000, generator=torch.Generator().manual_seed(2))
    assert torch.equal(load(tmp_path).encode(wav).z, load(saved["mimi"]).encode(wav).z)


def test_the_rotary_base_of_an_older_config_counts(saved: dict[str, Path], tmp_path: Path) -> None:
    settings = json.loads((saved["mimi"] / "config.json").read_text())
    del settings["rope_parameters"]
    (tmp_path / "config.json").write_text(json.dumps({**settings, "rope_theta": 5.0}))
    (tmp_path / "model.safetensors").symlink_to(saved["mimi"] / "model.safetensors")
    wav = torch.randn(1, 24_000, generator=torch.Generator().manual_seed(2))
    assert not torch.equal(load(tmp_path).encode(wav).z, load(saved["mimi"]).encode(wav).z)


def test_the_first_acoustic_codebook_quantizes_z_and_not_what_the_semantic_one_left(
    saved: dict[str, Path], wav: torch.Tensor
) -> None:
    codec = load(saved["mimi"])
    encoded = codec.encode(wav)
    _, acoustic = codec.sides
    inner = acoustic.input_proj(encoded.z.transpose(1, 2))[0].T
    book = acoustic.layers[0].codebook.embed
    assert torch.equal(torch.cdist(inner, book).argmin(1), encoded.codes[0, 1])
    left = encoded.z - codec.embed(encoded.codes, 1)
    beyond = acoustic.input_proj(left.transpose(1, 2))[0].T
    assert not torch.equal(torch.cdist(beyond, book).argmin(1), encoded.codes[0, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_rate": 25.0}, "frame_rate is 25.0, but its strides give 12.5"),
        ({"audio_channels": 2}, "key 'audio_channels': input should be 1"),
        ({"num_quantizers": "5"}, "key 'num_quantizers': input should be a valid integer"),
    ],
)
def test_a_config_that_is_not_sound_is_refused(
    saved: dict[str, Path], tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    settings = json.loads((saved["mimi"] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, **changes}))
    (tmp_path / "model.safetensors").symlink_to(saved["mimi"] / "model.safetensors")
    with pytest.raises(UserError, match=rf"config\.json: {message}"):
        codec_facts(CodecConfig(name="mimi", weights=str(tmp_path)))
