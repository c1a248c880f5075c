"""tiny-codes: tiny's encoder and codebooks, and a decoder that never saw an unquantized latent."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.audio import resample
from harness.codecs.base import Codec
from harness.codecs.build import CodecBuild, SourceConfig, build_codec
from harness.codecs.catalog import codec_facts
from harness.codecs.families.tiny import read_header
from harness.codecs.loading import load_codec
from harness.codecs.tiny_codec import TinyCodec
from harness.codecs.training import CodecTraining
from harness.codecs.weights import safetensors_metadata
from harness.config import CodecConfig
from harness.data.embedded import ASSETS, EmbeddedCorpus
from harness.data.read import read_utterance
from harness.errors import UserError
from harness.latents import encode_utterance
from metrics import registry

SHIPPED = ASSETS / "tiny-codes.safetensors"


@pytest.fixture(scope="module")
def pair() -> tuple[Codec, Codec]:
    return load_codec(CodecConfig()), load_codec(CodecConfig(name="tiny-codes"))


def test_latents_and_codes_are_tinys_and_the_audio_is_not(pair: tuple[Codec, Codec]) -> None:
    corpus = EmbeddedCorpus()
    row = corpus.split("test")[0]
    tiny, codes = (encode_utterance(codec, corpus, row) for codec in pair)
    assert torch.equal(tiny.z, codes.z) and torch.equal(tiny.codes, codes.codes)
    latent = pair[0].embed(tiny.codes)
    assert not torch.allclose(pair[0].decode(latent), pair[1].decode(latent), atol=1e-3)


def test_both_decoders_are_about_as_good_from_all_codes(pair: tuple[Codec, Codec]) -> None:
    corpus, estoi = EmbeddedCorpus(), registry.get("estoi")()
    estoi.load()
    means = []
    for codec in pair:
        values = []
        for row in corpus.split("test")[:4]:
            reference = read_utterance(corpus, row)
            decoded = codec.decode(codec.embed(encode_utterance(codec, corpus, row).codes))
            estimate = resample(decoded[0].numpy(), 24_000, 16_000)[: len(reference)]
            values.append(estoi.compare(reference, estimate).value)
        means.append(sum(values) / len(values))
    assert min(means) > 0.7


def test_the_training_record_says_that_it_never_saw_z() -> None:
    training = json.loads(safetensors_metadata(SHIPPED)["training"])
    assert training["unquantized_share"] == 0
    record = read_header(SHIPPED).trained_audio
    assert all(len(digest) == 16 for _, digest in record)
    assert {name for name, _ in record} == {
        name for name, _ in read_header(ASSETS / "tiny.safetensors").trained_audio
    }


def test_a_decoder_goes_with_its_own_encoder_only(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    header = {**safetensors_metadata(SHIPPED), "encoder_sha256": "0" * 64}
    save_file(load_file(SHIPPED), path, header)
    with pytest.raises(UserError, match=r"the encoder that other\.safetensors was trained with"):
        codec_facts(CodecConfig(weights=str(path)))


def test_training_a_decoder_leaves_encoder_and_codebooks_alone(tmp_path: Path) -> None:
    corpus = [SourceConfig(kind="embedded", splits=["valid"], share=1.0)]
    training = CodecTraining(steps=2, decoder_steps=1, batch_size=2, segment_seconds=0.3)
    config = CodecBuild(decoder_only=True, sources=corpus, training=training, threads=1)
    out = tmp_path / "decoder.safetensors"
    build_codec(config, out)
    assert all(name.startswith("decoder.") for name in load_file(out))
    wav = torch.randn(1, 24_000, generator=torch.Generator().manual_seed(0)) * 0.1
    made, tiny = load_codec(CodecConfig(weights=str(out))), load_codec(CodecConfig())
    assert torch.equal(made.encode(wav).codes, tiny.encode(wav).codes)
    for mine, theirs in zip(made.codebooks(), tiny.codebooks(), strict=True):
        assert torch.equal(mine, theirs)
    assert made.facts.sha256 != tiny.facts.sha256


def test_a_training_step_does_not_start_the_codebooks_anew() -> None:
    """Unless told, the quantizer of encodec fits them to its first batch, in evaluation too."""
    tiny = load_codec(CodecConfig())
    assert isinstance(tiny, TinyCodec)
    before = [book.clone() for book in tiny.codebooks()]
    tiny.model.quantizer(torch.randn(2, 128, 400), n_q=8)
    assert all(torch.equal(a, b) for a, b in zip(before, tiny.codebooks(), strict=True))
