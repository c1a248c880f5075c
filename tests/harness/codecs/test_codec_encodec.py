"""EnCodec 24 kHz against the official model, at every official bandwidth."""

import pickle
import random
from pathlib import Path

import pytest
import torch
from small_codecs import encodec_model

from harness.codecs.catalog import codec_facts
from harness.codecs.encodec24 import load_encodec
from harness.codecs.families.encodec import CODEBOOKS, cached
from harness.codecs.loading import load_codec
from harness.codecs.official import EncodecModel
from harness.config import CodecConfig
from harness.errors import UserError


def check_parity(weights: Path, official: EncodecModel, bandwidth: float) -> None:
    """Codes, decoder input and audio for codes 1..n, bit for bit."""
    config = CodecConfig(name="encodec", weights=str(weights), bandwidth=bandwidth)
    ours = load_codec(config)
    wav = torch.randn(1, 12_001, generator=torch.Generator().manual_seed(1)) * 0.1
    with torch.no_grad():
        frames = official.encode(wav[None])
        codes = ours.encode(wav).codes
        assert torch.equal(frames[0][0], codes)
        assert codes.shape[1] == CODEBOOKS[bandwidth]
        assert torch.equal(official.encoder(wav[None]), ours.encode(wav).z.transpose(1, 2))
        for first in {1, 2, CODEBOOKS[bandwidth]}:
            kept = codes[:, :first]
            latent = ours.embed(kept)
            assert torch.equal(ours.decode(latent), official.decode([(kept, None)])[0])


@pytest.mark.parametrize("bandwidth", CODEBOOKS)
def test_it_agrees_with_the_official_model_bit_for_bit(
    saved: dict[str, Path], bandwidth: float
) -> None:
    official = encodec_model(bandwidth)
    assert official.target_bandwidths == list(CODEBOOKS)
    assert (
        official.quantizer.get_num_quantizers_for_bandwidth(official.frame_rate, bandwidth)
        == CODEBOOKS[bandwidth]
    )
    check_parity(saved["encodec"], official, bandwidth)


@pytest.mark.parametrize("bandwidth", CODEBOOKS)
def test_real_weights_agree_with_the_official_model(bandwidth: float) -> None:
    if not cached().is_file():
        pytest.skip("EnCodec's official weights are not in its cache")
    official = EncodecModel.encodec_model_24khz().eval()
    official.set_target_bandwidth(bandwidth)
    check_parity(cached(), official, bandwidth)


@pytest.mark.parametrize("bandwidth", CODEBOOKS)
def test_facts_at_every_bandwidth(saved: dict[str, Path], bandwidth: float) -> None:
    facts = codec_facts(
        CodecConfig(name="encodec", weights=str(saved["encodec"]), bandwidth=bandwidth)
    )
    assert facts.bit_rate == bandwidth * 1000
    assert (facts.sample_rate, facts.frame_rate, facts.dimension) == (24_000, 75.0, 128)
    assert facts.sizes == (1024,) * CODEBOOKS[bandwidth]
    assert facts.name == ("encodec" if bandwidth == 6.0 else f"encodec-{bandwidth:g}kbps")


def test_another_bandwidth_is_refused(saved: dict[str, Path]) -> None:
    config = CodecConfig(name="encodec", weights=str(saved["encodec"]), bandwidth=5.0)
    with pytest.raises(UserError, match=r"no bandwidth 5\.0 kb/s; choose one of 1\.5, 3\.0"):
        codec_facts(config)
    config = CodecConfig(name="encodec", weights=str(saved["encodec"]), codebooks=2)
    with pytest.raises(UserError, match="has no option 'codebooks'"):
        codec_facts(config)


def test_each_code_is_the_nearest_to_the_residual(
    saved: dict[str, Path], wav: torch.Tensor
) -> None:
    codec = load_codec(CodecConfig(name="encodec", weights=str(saved["encodec"])))
    encoded = codec.encode(wav)
    residual = encoded.z - codec.embed(encoded.codes, 3)
    distance = torch.cdist(residual[0], codec.codebooks()[3])
    chosen = distance.gather(1, encoded.codes[0, 3][:, None])
    assert torch.all(chosen[:, 0] <= distance.min(1).values + 1e-3)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("way", ["torch", "pickle"])
def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, way: str) -> None:
    path, trace = tmp_path / "bomb.th", tmp_path / "ran"
    if way == "torch":
        torch.save({"weight": Bomb(trace)}, path)
    else:
        path.write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(UserError, match=r"bomb\.th: does not hold EnCodec 24 kHz weights"):
        load_codec(CodecConfig(name="encodec", weights=str(path)))
    assert not trace.exists()
    if way == "pickle":
        pickle.loads(path.read_bytes())
        assert trace.exists()  # it would have


@pytest.mark.parametrize("content", ["other tensors", "list", "half", "text", "empty"])
def test_other_weights_are_refused(saved: dict[str, Path], tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.th"
    if content == "other tensors":
        torch.save({"a": torch.zeros(1)}, path)
    elif content == "list":
        torch.save([torch.zeros(1)], path)
    elif content == "half":
        whole = saved["encodec"].read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    else:
        path.write_bytes(b"no weights" if content == "text" else b"")
    with pytest.raises(UserError, match=r"other\.th: does not hold EnCodec 24 kHz weights"):
        load_codec(CodecConfig(name="encodec", weights=str(path)))


def broken(whole: bytes, number: int) -> bytes:
    """Return noise behind a pickle's or archive's first bytes, or a file cut or changed."""
    draw = random.Random(number)
    if number % 3 == 0:
        start = draw.choice([b"\x80\x02", b"\x80\x02}q\x00", b"\x80\x02(X", b"PK\x03\x04", b""])
        return start + draw.randbytes(draw.randrange(200))
    data = bytearray(whole[: draw.randrange(1, len(whole))] if number % 3 == 1 else whole)
    for place in (draw.randrange(min(len(data), 4000)) for _ in range(40)):
        data[place] = draw.randrange(256)
    return bytes(data)


def test_no_broken_file_is_a_traceback(saved: dict[str, Path], tmp_path: Path) -> None:
    path, state = tmp_path / "broken.th", {"a": torch.zeros(3), "b": torch.arange(2)}
    facts = codec_facts(CodecConfig(name="encodec", weights=str(saved["encodec"])))
    for kept in (True, False):
        torch.save(state, tmp_path / "small.th", _use_new_zipfile_serialization=kept)
        whole = (tmp_path / "small.th").read_bytes()
        for number in [*range(150), 345, 1008]:  # these two end in struct.error and KeyError
            path.write_bytes(broken(whole, number))
            with pytest.raises(UserError, match=r"broken\.th: does not hold EnCodec 24 kHz"):
                load_encodec(facts, path)


@pytest.mark.parametrize("variable", ["TORCH_HOME", "XDG_CACHE_HOME", None])
def test_the_cache_is_torch_hubs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path))
    assert cached().parent == Path(torch.hub.get_dir()) / "checkpoints"


def test_the_official_name_needs_the_official_hash(saved: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / cached().name
    path.symlink_to(saved["encodec"])
    with pytest.raises(UserError, match="the official weights' with d7cc33bc"):
        codec_facts(CodecConfig(name="encodec", weights=str(path)))


def test_absent_weights_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match="run `resynth codec fetch encodec`"):
        codec_facts(CodecConfig(name="encodec"))
