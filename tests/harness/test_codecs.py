import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.codecs.base import Codec
from harness.codecs.catalog import codec_facts, read_header
from harness.codecs.loading import load_codec
from harness.codecs.mel import mel_filterbank
from harness.codecs.official import EncodecModel
from harness.config import CodecConfig
from harness.data.embedded import ASSETS, EmbeddedCorpus
from harness.errors import UserError
from harness.latents import encode_utterance


@pytest.fixture(scope="module", params=["tiny", "encodec"])
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    if request.param == "tiny":
        return load_codec(CodecConfig())
    torch.manual_seed(0)  # the official architecture; random weights in the official format
    path = tmp_path_factory.mktemp("encodec") / "seeded.th"
    model = EncodecModel.encodec_model_24khz(pretrained=False)
    for layer in model.quantizer.vq.layers:
        layer._codebook.embed.normal_()
    torch.save(model.state_dict(), path)
    return load_codec(CodecConfig(name="encodec", weights=str(path)))


@pytest.fixture(scope="module")
def wav() -> torch.Tensor:
    return torch.randn(1, 24_000, generator=torch.Generator().manual_seed(1)) * 0.1


def test_geometry_is_encodecs(codec: Codec, wav: torch.Tensor) -> None:
    facts = codec.facts
    assert (facts.sample_rate, facts.frame_rate, facts.codebooks) == (24_000, 75.0, 8)
    assert (facts.entries, facts.dimension, facts.bit_rate) == (1024, 128, 6000.0)
    encoded = codec.encode(wav)
    assert encoded.z.shape == (1, 75, 128)
    assert encoded.codes.shape == (1, 8, 75)
    assert codec.decode(encoded.z).shape == (1, 24_000)


def test_frames_cover_the_last_samples(codec: Codec, wav: torch.Tensor) -> None:
    encoded = codec.encode(wav[:, :23_999])
    assert encoded.frames.tolist() == [75]
    assert encoded.z.shape[1] == 75


def test_embedding_all_codes_is_the_sum_of_effective_codebooks(
    codec: Codec, wav: torch.Tensor
) -> None:
    codes = codec.encode(wav).codes
    books = codec.codebooks()
    summed = sum(books[k][codes[:, k]] for k in range(8))
    torch.testing.assert_close(codec.embed(codes), summed)
    torch.testing.assert_close(codec.embed(codes, 1), books[0][codes[:, 0]])


def test_each_code_is_the_nearest_to_the_residual(codec: Codec, wav: torch.Tensor) -> None:
    encoded = codec.encode(wav)
    residual = encoded.z - codec.embed(encoded.codes, 3)
    distance = torch.cdist(residual[0], codec.codebooks()[3])
    chosen = distance.gather(1, encoded.codes[0, 3][:, None])
    assert torch.all(chosen[:, 0] <= distance.min(1).values + 1e-3)


def test_padding_changes_nothing(codec: Codec, wav: torch.Tensor) -> None:
    short = wav[:, :16_000]
    batch = torch.zeros(2, 24_000)
    batch[0], batch[1, :16_000] = wav[0], short[0]
    batch[1, 16_000:] = 0.5  # garbage past the end
    together = codec.encode(batch, torch.tensor([24_000, 16_000]))
    alone = codec.encode(short)
    count = int(alone.frames)
    torch.testing.assert_close(together.z[1, :count], alone.z[0], atol=1e-4, rtol=1e-4)
    decoded = codec.decode(together.z, together.frames)
    torch.testing.assert_close(
        decoded[1, :16_000], codec.decode(alone.z)[0, :16_000], atol=1e-4, rtol=1e-3
    )


def test_decode_passes_gradients_to_the_latent(codec: Codec) -> None:
    latent = torch.zeros(1, 10, 128, requires_grad=True)
    torch.autograd.backward(codec.decode(latent).square().sum() + latent.sum())
    assert latent.grad is not None
    assert torch.isfinite(latent.grad).all()


def test_encodec_agrees_with_the_official_model_bit_for_bit(
    tmp_path: Path, wav: torch.Tensor
) -> None:
    torch.manual_seed(0)
    official = EncodecModel.encodec_model_24khz(pretrained=False).eval()
    official.set_target_bandwidth(6.0)
    for layer in official.quantizer.vq.layers:
        layer._codebook.embed.normal_()
    torch.save(official.state_dict(), tmp_path / "seeded.th")
    ours = load_codec(CodecConfig(name="encodec", weights=str(tmp_path / "seeded.th")))
    with torch.no_grad():
        frames = official.encode(wav[None])
        assert torch.equal(frames[0][0], ours.encode(wav).codes)
        expected = official.decode(frames)[0]
        assert torch.equal(expected, ours.decode(ours.embed(frames[0][0])))


def test_the_shipped_codec_leaves_something_to_resynthesise() -> None:
    """Z is clearly nearer to the audio's mel spectrogram than x1 alone, all 8 codes in between."""
    codec, corpus = load_codec(CodecConfig()), EmbeddedCorpus()
    bank, errors = mel_filterbank(24_000, 1280, 100), {"z": 0.0, "8": 0.0, "1": 0.0}

    def log_mel(wav: torch.Tensor) -> torch.Tensor:
        window = torch.hann_window(1280)
        spectrum = torch.stft(wav, 1280, 320, window=window, return_complex=True).abs()
        return (bank @ spectrum).clamp(min=1e-5).log()

    for row in corpus.split("test")[:4]:
        encoded = encode_utterance(codec, corpus, row)
        target = log_mel(codec.decode(encoded.z))
        for name, latent in (
            ("8", codec.embed(encoded.codes)),
            ("1", codec.embed(encoded.codes, 1)),
        ):
            errors[name] += float((log_mel(codec.decode(latent)) - target).abs().mean())
    assert 0 < errors["8"] < errors["1"] / 1.5


def test_the_training_record_lies_in_the_weights() -> None:
    header = read_header(ASSETS / "tiny.safetensors")
    assert json.loads(header["training"])["steps"] > 1000
    assert len(json.loads(header["curve"])) > 10
    assert not any("test" in source for source in codec_facts(CodecConfig()).trained_on)


@pytest.mark.parametrize("fault", ["geometry", "tensor missing", "truncated"])
def test_a_wrong_checkpoint_is_refused(tmp_path: Path, fault: str) -> None:
    source, path = ASSETS / "tiny.safetensors", tmp_path / "wrong.safetensors"
    header, state = read_header(source), load_file(source)
    if fault == "geometry":
        header["shape"] = json.dumps({**json.loads(header["shape"]), "entries": 512})
    if fault == "tensor missing":
        state.pop(sorted(state)[0])
    save_file(state, path, header)
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"wrong\.safetensors"):
        load_codec(CodecConfig(weights=str(path)))


def test_encodec_refuses_other_weights(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.th")
    with pytest.raises(UserError, match="does not hold EnCodec 24 kHz weights"):
        load_codec(CodecConfig(name="encodec", weights=str(tmp_path / "other.th")))
