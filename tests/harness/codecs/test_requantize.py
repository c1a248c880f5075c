"""Refitted codebooks: the fit, what it measures, the file, and the codec that uses it."""

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.codecs.base import Codec
from harness.codecs.catalog import check_test_audio, codec_facts
from harness.codecs.loading import load_codec
from harness.codecs.quantizers import read_quantizer
from harness.codecs.requantize import (
    Arm,
    Frames,
    Quantizer,
    fit_quantizer,
    measure_quantization,
    plain_facts,
    read_frames,
)
from harness.codecs.requantized import RequantizedCodec, save_quantizer
from harness.commands.codec_requantize import requantize
from harness.config import CodecConfig
from harness.data.embedded import EmbeddedCorpus
from harness.errors import UserError
from harness.provenance import now, provenance
from harness.records import CodecFacts

CORPUS = EmbeddedCorpus()


def quiet(what: str, done: int, of: int) -> None:
    """Report nothing."""


@pytest.fixture(scope="module")
def tiny() -> Codec:
    return load_codec(CodecConfig())


@pytest.fixture(scope="module")
def fitted(tiny: Codec) -> Frames:
    return read_frames(tiny, CORPUS, CORPUS.split("valid"), 6000, 0, quiet)


@pytest.fixture(scope="module")
def held_out(tiny: Codec) -> torch.Tensor:
    return read_frames(tiny, CORPUS, CORPUS.split("test"), 3000, 0, quiet).z


@pytest.fixture(scope="module")
def family(tiny: Codec, fitted: Frames, held_out: torch.Tensor) -> dict[str, Quantizer]:
    arms = [Arm(64), Arm(256), Arm(64, 1)]
    return {a.label: fit_quantizer(tiny, fitted, held_out, a, 5, 0, "cpu", quiet) for a in arms}


def write(path: Path, one: Quantizer, base: CodecFacts, rows: tuple[object, ...]) -> CodecConfig:
    save_quantizer(
        path, one.books, one.refit, base, ("embedded: valid", rows), provenance(now(), 1)
    )
    return CodecConfig(quantizer=str(path))


@pytest.fixture(scope="module")
def config(
    tiny: Codec,
    fitted: Frames,
    family: dict[str, Quantizer],
    tmp_path_factory: pytest.TempPathFactory,
) -> CodecConfig:
    """Codebook 1 kept (1024 entries), four of 64 entries fitted."""
    path = tmp_path_factory.mktemp("quantizers") / "k64-x1.safetensors"
    return write(path, family["k64-x1"], tiny.facts, fitted.rows)


def test_frames_are_drawn_by_seed_up_to_the_limit(tiny: Codec) -> None:
    rows = CORPUS.split("valid")
    first, again, other = (read_frames(tiny, CORPUS, rows, 1000, s, quiet) for s in (1, 1, 2))
    assert first.z.shape == (1000, 128) and first.codes.shape == (1000, 8)
    assert torch.equal(first.z, again.z) and first.rows == again.rows
    assert first.rows != other.rows and len(first.rows) < len(rows)
    assert torch.equal(tiny.quantize(first.z[None])[0].T.short(), first.codes)


def test_the_error_falls_with_codebooks_and_entries(family: dict[str, Quantizer]) -> None:
    small, large = family["k64"].refit, family["k256"].refit
    for refit in (small, large):
        assert list(refit.mse) == sorted(refit.mse, reverse=True)
        assert list(refit.error_db) == sorted(refit.error_db, reverse=True)
        assert refit.error_db[0] < -5
    assert all(b < a for a, b in zip(small.mse, large.mse, strict=True))
    assert all(0.9 < usage <= 1 for usage in small.usage)
    assert all(5 < bits <= 6 for bits in small.entropy)


def test_loses_less_than_the_trained_codebooks_on_the_fitted_frames(
    tiny: Codec, fitted: Frames
) -> None:
    one = fit_quantizer(tiny, fitted, fitted.z, Arm(1024), 8, 0, "cpu", quiet)
    trained = measure_quantization(tiny, fitted.z)
    assert one.refit.mse[7] < trained.mse[7] * 1.02
    assert one.refit.mse[0] < trained.mse[0]


def test_fewer_codebooks_are_the_first_of_more(
    tiny: Codec, fitted: Frames, held_out: torch.Tensor, family: dict[str, Quantizer]
) -> None:
    for label, arm in (("k64", Arm(64)), ("k64-x1", Arm(64, 1))):
        few = fit_quantizer(tiny, fitted, held_out, arm, 3, 0, "cpu", quiet)
        assert all(map(torch.equal, few.books, family[label].books))
        assert few.refit.mse == family[label].refit.mse[:3]
    other = fit_quantizer(tiny, fitted, held_out, Arm(64), 1, 1, "cpu", quiet)
    assert not torch.equal(other.books[0], family["k64"].books[0])


def test_measures_are_those_of_their_definitions(tiny: Codec, held_out: torch.Tensor) -> None:
    found = measure_quantization(tiny, held_out)
    codes = tiny.quantize(held_out[None])
    mse = (held_out - tiny.embed(codes, 3)[0]).square().mean()
    variance = held_out.var(0, correction=0).mean()
    assert found.mse[2] == pytest.approx(float(mse), rel=1e-5)
    assert found.error_db[2] == pytest.approx(float(10 * torch.log10(mse / variance)), abs=1e-4)
    share = codes[0, 1].bincount(minlength=1024) / len(held_out)
    assert found.usage[1] == pytest.approx(len(codes[0, 1].unique()) / 1024)
    entropy = -(share[share > 0] * share[share > 0].log2()).sum()
    assert found.entropy[1] == pytest.approx(float(entropy), abs=1e-4)
    for frames in (held_out[:0], held_out[:1].repeat(9, 1)):
        with pytest.raises(UserError, match="all the same"):
            measure_quantization(tiny, frames)


def test_keeps_the_contract_and_codebook_1_of_every_family(codec: Codec, wav: torch.Tensor) -> None:
    encoded = codec.encode(wav)
    frames = Frames(encoded.z[0], encoded.codes[0].T.short(), ())
    arm = Arm(8, kept=1)
    one = fit_quantizer(codec, frames, encoded.z[0], arm, 3, 0, "cpu", quiet)
    own = RequantizedCodec(plain_facts(codec.facts, one.books), codec, one.books, 1)
    again = own.encode(wav)
    assert torch.equal(again.z, encoded.z)
    assert torch.equal(again.codes, own.quantize(encoded.z))
    assert again.codes.shape == (1, 3, encoded.z.shape[1])
    assert torch.equal(again.codes[:, 0], encoded.codes[:, 0])
    assert torch.equal(own.embed(again.codes, 1), codec.embed(encoded.codes, 1))
    summed = sum(book[again.codes[:, k]] for k, book in enumerate(own.codebooks()))
    torch.testing.assert_close(own.embed(again.codes), summed)
    assert own.decode(again.z).shape == codec.decode(again.z).shape


def test_each_refitted_code_is_the_nearest_to_the_residual(
    config: CodecConfig, held_out: torch.Tensor
) -> None:
    codec = load_codec(config)
    codes = codec.quantize(held_out[None])
    residual = held_out - codec.embed(codes, 2)[0]
    distance = torch.cdist(residual, codec.codebooks()[2])
    chosen = distance.gather(1, codes[0, 2][:, None])[:, 0]
    assert torch.all(chosen <= distance.min(1).values + 1e-3)


def test_the_file_says_what_the_fit_measured(
    config: CodecConfig, tiny: Codec, family: dict[str, Quantizer], held_out: torch.Tensor
) -> None:
    facts = codec_facts(config)
    assert facts.name == "tiny+k64-x1-n5"
    assert facts.sizes == (1024, 64, 64, 64, 64)
    assert facts.bit_rate == pytest.approx((10 + 4 * 6) * 75)
    assert facts.refit == family["k64-x1"].refit
    assert facts.sha256 != tiny.facts.sha256
    assert facts.trained_on[:-1] == tiny.facts.trained_on and "valid" in facts.trained_on[-1]
    codec = load_codec(config)
    assert all(map(torch.equal, codec.codebooks(), family["k64-x1"].books))
    assert measure_quantization(codec, held_out).mse == facts.refit.mse


def test_it_can_be_cut_to_its_first_codebooks(config: CodecConfig, held_out: torch.Tensor) -> None:
    cut = config.model_copy(update={"codebooks": 3})
    facts = codec_facts(cut)
    assert (facts.name, facts.sizes) == ("tiny+k64-x1-n3", (1024, 64, 64))
    assert facts.bit_rate == pytest.approx(22 * 75)
    whole, part = load_codec(config), load_codec(cut)
    z = held_out[None]
    assert torch.equal(part.quantize(z), whole.quantize(z)[:, :3])
    with pytest.raises(UserError, match="has 5 codebooks, 6 are asked for"):
        codec_facts(config.model_copy(update={"codebooks": 6}))


def test_cut_to_the_base_codecs_number_it_is_named_as_if_fitted_so(
    tiny: Codec, fitted: Frames, held_out: torch.Tensor, tmp_path: Path
) -> None:
    one = fit_quantizer(tiny, fitted, held_out, Arm(16), 9, 0, "cpu", quiet)
    long = write(tmp_path / "nine.safetensors", one, tiny.facts, fitted.rows)
    assert codec_facts(long).name == "tiny+k16-n9"
    assert codec_facts(long.model_copy(update={"codebooks": 8})).name == "tiny+k16"


def change(path: Path, fault: str) -> None:
    header, state = dict(read_quantizer(path)), load_file(path)
    text = {key: value if isinstance(value, str) else "" for key, value in header.items()}
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif fault == "a byte changed":
        data = bytearray(path.read_bytes())
        data[-777] ^= 1
        path.write_bytes(data)
    elif fault == "header damaged":
        save_file(state, path, text)
    elif fault == "no quantizer":
        save_file(state, path)
    else:
        path.write_bytes(b"no safetensors at all")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("truncated", "codebooks are damaged"),
        ("a byte changed", "codebooks are damaged"),
        ("header damaged", "header is damaged"),
        ("no quantizer", "holds no refitted codebooks"),
        ("text", "holds no refitted codebooks"),
    ],
)
def test_a_wrong_file_is_refused(
    config: CodecConfig, tmp_path: Path, fault: str, message: str
) -> None:
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(Path(config.quantizer or "").read_bytes())
    change(path, fault)
    with pytest.raises(UserError, match=rf"wrong\.safetensors: .*{message}"):
        load_codec(CodecConfig(quantizer=str(path)))


def test_another_codecs_codebooks_are_refused(
    tiny: Codec, family: dict[str, Quantizer], tmp_path: Path
) -> None:
    other = tiny.facts.model_copy(update={"sha256": "0" * 64})
    config = write(tmp_path / "other.safetensors", family["k64"], other, ())
    with pytest.raises(UserError, match="the codec 'tiny' it fits is"):
        codec_facts(config)
    with pytest.raises(UserError, match="is absent"):
        codec_facts(CodecConfig(quantizer=str(tmp_path / "none.safetensors")))


def test_more_kept_codebooks_than_the_codec_has_are_refused(
    tiny: Codec, family: dict[str, Quantizer], tmp_path: Path
) -> None:
    one = family["k64-x1"]
    wide = replace(one, refit=one.refit.model_copy(update={"kept": 12}))
    config = write(tmp_path / "wide.safetensors", wide, tiny.facts, ())
    with pytest.raises(UserError, match="keeps 12 codebooks"):
        codec_facts(config)


def test_a_test_split_the_codebooks_were_fitted_to_is_refused(
    config: CodecConfig, fitted: Frames
) -> None:
    check_test_audio(config, CORPUS.split("test"))
    with pytest.raises(UserError, match="was trained on test utterance"):
        check_test_audio(config, fitted.rows[-1:])


def test_bad_fits_are_refused(tiny: Codec, fitted: Frames, held_out: torch.Tensor) -> None:
    for kept, count in ((3, 3), (9, 12), (-1, 3)):
        with pytest.raises(UserError, match="codebooks kept"):
            fit_quantizer(tiny, fitted, held_out, Arm(16, kept), count, 0, "cpu", quiet)
    with pytest.raises(UserError, match="held-out frames cannot show"):
        fit_quantizer(tiny, fitted, held_out[:50], Arm(64), 3, 0, "cpu", quiet)
    few = replace(fitted, z=fitted.z[:100], codes=fitted.codes[:100])
    with pytest.raises(UserError, match="100 frames cannot fit a codebook of 128"):
        fit_quantizer(tiny, few, held_out, Arm(128), 3, 0, "cpu", quiet)


@pytest.fixture
def options(tmp_path: Path) -> Namespace:
    return Namespace(
        name="tiny", weights=None, entries=32, codebooks=2, keep=0, corpus="embedded", root=None,
        option=[], split=["valid"], valid_split=["test"], seed=0, device="cpu",
        out=str(tmp_path / "new.safetensors"), json=True,
    )  # fmt: skip


def test_the_command_writes_a_file_that_loads(
    options: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert requantize(options) == 0
    shown = json.loads(capsys.readouterr().out)["codec"]
    facts = codec_facts(CodecConfig(quantizer=options.out))
    assert CodecFacts.model_validate(shown) == facts
    assert facts.sizes == (32, 32)
    header = read_quantizer(Path(options.out))
    assert len(header.fitted_audio) == len(CORPUS.split("valid"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entries": 1}, "--entries 1: choose one from 2 to 32767"),
        ({"entries": 32768}, "--entries 32768"),
        ({"codebooks": 0}, "--codebooks 0"),
        ({"keep": 2}, "--keep 2: of 2 codebooks"),
        ({"keep": -1}, "--keep -1"),
        ({"seed": -1}, "--seed -1"),
        ({"out": "/nowhere/at/all"}, "does not exist"),
        ({"valid_split": ["valid"]}, "share no audio"),
        ({"split": ["vald"]}, "no split 'vald'"),
        ({"entries": 20_000}, "held-out frames cannot show"),
    ],
)
def test_the_command_refuses_bad_input(
    options: Namespace, change: dict[str, object], message: str
) -> None:
    vars(options).update(change)
    with pytest.raises(UserError, match=message):
        requantize(options)
    assert not list(Path(options.out).parent.glob("*new*"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_an_absent_gpu_is_refused(options: Namespace) -> None:
    options.device = "cuda"
    with pytest.raises(UserError, match="no CUDA device"):
        requantize(options)
