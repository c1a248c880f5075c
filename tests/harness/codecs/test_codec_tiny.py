"""The embedded codec: its quality, its training record, and files that are none of it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from harness.codecs.base import Codec
from harness.codecs.catalog import check_test_audio, codec_facts
from harness.codecs.families.tiny import read_header
from harness.codecs.loading import load_codec
from harness.codecs.mel import mel_filterbank
from harness.codecs.weights import safetensors_metadata
from harness.config import CodecConfig
from harness.data.embedded import ASSETS, EmbeddedCorpus
from harness.errors import UserError
from harness.latents import encode_utterance

WEIGHTS = ASSETS / "tiny.safetensors"


@pytest.fixture(scope="module")
def tiny() -> Codec:
    return load_codec(CodecConfig())


def test_its_geometry_is_encodecs(tiny: Codec, wav: torch.Tensor) -> None:
    facts = tiny.facts
    assert (facts.sample_rate, facts.frame_rate, facts.codebooks) == (24_000, 75.0, 8)
    assert (facts.entries, facts.dimension, facts.bit_rate) == (1024, 128, 6000.0)
    encoded = tiny.encode(wav)
    assert encoded.z.shape == (1, 75, 128)
    assert encoded.codes.shape == (1, 8, 75)
    assert tiny.decode(encoded.z).shape == (1, 24_000)


def test_each_code_is_the_nearest_to_the_residual(tiny: Codec, wav: torch.Tensor) -> None:
    encoded = tiny.encode(wav)
    residual = encoded.z - tiny.embed(encoded.codes, 3)
    distance = torch.cdist(residual[0], tiny.codebooks()[3])
    chosen = distance.gather(1, encoded.codes[0, 3][:, None])
    assert torch.all(chosen[:, 0] <= distance.min(1).values + 1e-3)


def test_it_leaves_something_to_resynthesise(tiny: Codec) -> None:
    """All 8 codes are clearly nearer to z's decoded mel spectrogram than x1 alone."""
    corpus = EmbeddedCorpus()
    bank, errors = mel_filterbank(24_000, 1280, 100), {8: 0.0, 1: 0.0}

    def log_mel(wav: torch.Tensor) -> torch.Tensor:
        window = torch.hann_window(1280)
        spectrum = torch.stft(wav, 1280, 320, window=window, return_complex=True).abs()
        return (bank @ spectrum).clamp(min=1e-5).log()

    for row in corpus.split("test")[:2]:
        encoded = encode_utterance(tiny, corpus, row)
        target = log_mel(tiny.decode(encoded.z))
        for first in errors:
            decoded = log_mel(tiny.decode(tiny.embed(encoded.codes, first)))
            errors[first] += float((decoded - target).abs().mean())
    assert 0 < errors[8] < errors[1] / 1.5


def test_the_training_record_lies_in_the_weights() -> None:
    header = safetensors_metadata(WEIGHTS)
    assert json.loads(header["training"])["steps"] > 1000
    assert len(json.loads(header["curve"])) > 10
    assert not any("test" in source for source in codec_facts(CodecConfig()).trained_on)
    assert WEIGHTS.stat().st_size < 10_000_000


def test_no_test_audio_was_trained_on_and_trained_audio_is_found() -> None:
    corpus = EmbeddedCorpus()
    check_test_audio(CodecConfig(), [*corpus.split("test"), *corpus.split("test-voices")])
    identity, digest = read_header(WEIGHTS).trained_audio[0]
    row = corpus.split("test")[0]
    seen = type(row)(**{**vars(row), "id": identity, "sha256": digest.ljust(64, "0")})
    with pytest.raises(UserError, match=f"'tiny' was trained on test utterance '{identity}'"):
        check_test_audio(CodecConfig(), [seen])


@pytest.mark.parametrize("fault", ["geometry", "tensor missing", "truncated", "hash"])
def test_a_wrong_checkpoint_is_refused(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "wrong.safetensors"
    with safe_open(WEIGHTS, "pt") as file:
        header = file.metadata()
    state = load_file(WEIGHTS)
    if fault == "geometry":
        header["shape"] = json.dumps({**json.loads(header["shape"]), "entries": 512})
    if fault == "tensor missing":
        state.pop(sorted(state)[0])
    save_file(state, path, header)
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    expected = "0" * 16 if fault == "hash" else None
    with pytest.raises(UserError, match=r"wrong\.safetensors"):
        load_codec(CodecConfig(weights=str(path), sha256=expected))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02\x00\x00\x00\x00\x00\x00\x00[]",
        b'\x15\x00\x00\x00\x00\x00\x00\x00{"__metadata__": "x"}',
        b"\xff" * 64,
    ],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "none.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"none\.safetensors: is not a tiny codec checkpoint"):
        codec_facts(CodecConfig(weights=str(path)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", None),
        ("shape", "[]"),
        ("shape", "{"),
        ("shape", '{"hop": 320}'),
        ("hop", 0),
        ("hop", "320"),
        ("hops", 320),
        ("trained_on", None),
        ("trained_on", "3"),
        ("trained_audio", None),
        ("trained_audio", '[["an id alone"]]'),
    ],
)
def test_a_header_that_lacks_something_is_refused(tmp_path: Path, key: str, value: object) -> None:
    header = safetensors_metadata(WEIGHTS)
    if key in header and value is None:
        del header[key]
    elif key in header:
        header[key] = str(value)
    else:
        header["shape"] = json.dumps({**json.loads(header["shape"]), key: value})
    path = tmp_path / "odd.safetensors"
    save_file({"a": torch.zeros(1)}, path, header)
    fault = key if key in safetensors_metadata(WEIGHTS) else "shape"
    for use in (codec_facts, load_codec, lambda config: check_test_audio(config, [])):
        with pytest.raises(UserError, match=rf"odd\.safetensors: its header is damaged.*'{fault}'"):
            use(CodecConfig(weights=str(path)))


def test_a_geometry_that_cannot_be_built_is_refused(tmp_path: Path) -> None:
    header = safetensors_metadata(WEIGHTS)
    header["shape"] = json.dumps({**json.loads(header["shape"]), "encoder_width": 1 << 62})
    path = tmp_path / "wide.safetensors"
    save_file(load_file(WEIGHTS), path, header)
    with pytest.raises(UserError, match=r"wide\.safetensors: does not fit the geometry"):
        load_codec(CodecConfig(weights=str(path)))


def test_options_it_does_not_have_are_refused() -> None:
    with pytest.raises(UserError, match="codec 'tiny': has no option 'bandwidth'"):
        codec_facts(CodecConfig(bandwidth=6.0))
    with pytest.raises(UserError, match="has 8 codebooks, 9 are asked for"):
        codec_facts(CodecConfig(codebooks=9))
    with pytest.raises(UserError, match="codec 'encodc' does not exist; did you mean 'encodec'"):
        codec_facts(CodecConfig(name="encodc"))
