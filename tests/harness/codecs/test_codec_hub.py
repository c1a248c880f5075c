"""Folders in transformers' layout: the hub's cache, hashes, and what does not fit."""

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.codecs.catalog import codec_facts, discover
from harness.codecs.loading import load_codec
from harness.config import CodecConfig
from harness.errors import UserError

REPOSITORIES = {"dac-16khz": "descript--dac_16khz", "mimi": "kyutai--mimi"}


def copied(saved: dict[str, Path], name: str, place: Path, **settings: object) -> CodecConfig:
    """Copy a codec's folder, change its config.json, and return a configuration that names it."""
    folder = Path(shutil.copytree(saved[name], place / "folder"))
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return CodecConfig(name=name, weights=str(folder))


def into_cache(
    saved: dict[str, Path], name: str, cache: Path, published: str | None = None
) -> Path:
    """Lay a folder out as the hub's cache does and return the weights' blob."""
    digest = hashlib.sha256((saved[name] / "model.safetensors").read_bytes()).hexdigest()
    repository = cache / f"models--{REPOSITORIES[name]}"
    snapshot = repository / "snapshots" / "0123abc"
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123abc")
    blob = repository / "blobs" / digest
    shutil.copy(saved[name] / "model.safetensors", blob)
    (snapshot / "model.safetensors").symlink_to(Path("../../blobs") / blob.name)
    shutil.copy(saved[name] / "config.json", snapshot)
    return blob


@pytest.mark.parametrize("name", REPOSITORIES)
@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"])
def test_the_hubs_cache_is_the_default(
    saved: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    variable: str,
) -> None:
    below = {"HF_HUB_CACHE": ".", "HF_HOME": "hub", "XDG_CACHE_HOME": "huggingface/hub"}[variable]
    into_cache(saved, name, tmp_path / below)
    for other in ("HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    assert codec_facts(CodecConfig(name=name)) == codec_facts(
        CodecConfig(name=name, weights=str(saved[name]))
    )


def test_a_damaged_blob_of_the_cache_is_found(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    blob = into_cache(saved, "mimi", tmp_path)
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors: sha256 starts with .* the published"):
        codec_facts(CodecConfig(name="mimi"))


def test_absent_weights_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="run `resynth codec fetch mimi`, or give a folder"):
        codec_facts(CodecConfig(name="mimi"))
    with pytest.raises(UserError, match=r"give an existing path as codec\.weights"):
        codec_facts(CodecConfig(name="mimi", weights=str(tmp_path / "none")))


def test_the_hash_covers_the_weights_and_what_the_config_sets(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    plain = CodecConfig(name="mimi", weights=str(saved["mimi"]))
    facts = codec_facts(plain)
    own = hashlib.sha256((saved["mimi"] / "model.safetensors").read_bytes()).hexdigest()
    for right in (own, facts.sha256, own[:8].upper()):
        assert codec_facts(plain.model_copy(update={"sha256": right})) == facts
    with pytest.raises(UserError, match=rf"model\.safetensors: sha256 .*{own[:8]}, codec\.sha256"):
        codec_facts(plain.model_copy(update={"sha256": "0" * 8}))
    changed = copied(saved, "mimi", tmp_path / "a", sliding_window=4)
    assert codec_facts(changed).sha256 != facts.sha256
    noted = copied(saved, "mimi", tmp_path / "b", transformers_version="9", dtype="float16")
    assert codec_facts(noted) == facts


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("dac-16khz", "n_codebooks", 3),
        ("dac-16khz", "n_codebooks", 5),
        ("dac-16khz", "codebook_size", 32),
        ("dac-16khz", "downsampling_ratios", [2, 4, 8, 5]),
        ("dac-16khz", "codebook_dim", 4),
        ("mimi", "num_quantizers", 4),
        ("mimi", "num_semantic_quantizers", 2),
        ("mimi", "codebook_size", 24),
        ("mimi", "num_hidden_layers", 1),
        ("mimi", "num_hidden_layers", 3),
        ("mimi", "upsampling_ratios", [8, 6, 4, 5]),
        ("mimi", "sliding_window", "wide"),
    ],
)
def test_a_config_that_does_not_fit_the_weights_is_refused(
    saved: dict[str, Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    setting: str,
    value: object,
) -> None:
    config = copied(saved, name, tmp_path, **{setting: value})
    with pytest.raises(UserError, match=r"model\.safetensors: does not fit the config\.json"):
        load_codec(config)
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize("fault", ["tensor missing", "tensor too many", "truncated", "no config"])
def test_a_damaged_folder_is_refused(saved: dict[str, Path], tmp_path: Path, fault: str) -> None:
    config = copied(saved, "mimi", tmp_path)
    path = tmp_path / "folder" / "model.safetensors"
    state = load_file(path)
    if fault == "tensor missing":
        save_file(dict(list(state.items())[1:]), path)
    elif fault == "tensor too many":
        save_file({**state, "encoder.more": torch.zeros(1)}, path)
    elif fault == "truncated":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        path.with_name("config.json").write_text("{")
    with pytest.raises(UserError, match=str(tmp_path / "folder")):
        load_codec(config)


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        ("mimi", "dac-24khz", r"config\.json: is of model type 'mimi', not 'dac'"),
        ("dac-24khz", "mimi", r"config\.json: is of model type 'dac', not 'mimi'"),
        ("encodec", "mimi", r"seeded\.th holds no config\.json"),
        ("encodec", "tiny", r"seeded\.th: is not a tiny codec checkpoint"),
        ("mimi", "tiny", r"mimi: is not a tiny codec checkpoint"),
        ("mimi", "encodec", r"mimi: cannot be read as a file of weights"),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(
    saved: dict[str, Path], given: str, name: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_codec(CodecConfig(name=name, weights=str(saved[given])))


def test_a_safetensors_file_of_another_codec_is_refused(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    for name, error in (("encodec", "does not hold EnCodec"), ("tiny", "is not a tiny codec")):
        weights = str(saved["mimi"] / "model.safetensors")
        with pytest.raises(UserError, match=rf"model\.safetensors: {error}"):
            load_codec(CodecConfig(name=name, weights=weights))
    config = copied(saved, "dac-16khz", tmp_path)
    shutil.copy(saved["mimi"] / "model.safetensors", tmp_path / "folder")
    with pytest.raises(UserError, match=r"model\.safetensors: does not fit the config\.json"):
        load_codec(config)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("beside", [False, True])
def test_a_pickle_is_never_read(saved: dict[str, Path], tmp_path: Path, beside: bool) -> None:
    config, trace = copied(saved, "dac-16khz", tmp_path), tmp_path / "ran"
    folder = tmp_path / "folder"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(trace)))
    if beside:
        load_codec(config)
    else:
        (folder / "model.safetensors").unlink()
        with pytest.raises(
            UserError, match=r"holds no model\.safetensors, and pytorch_model\.bin, a pickle, could"
        ):
            load_codec(config)
    assert not trace.exists()


def test_a_pickle_named_safetensors_is_refused(saved: dict[str, Path], tmp_path: Path) -> None:
    config, trace = copied(saved, "dac-16khz", tmp_path), tmp_path / "ran"
    torch.save(Bomb(trace), tmp_path / "folder" / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors: does not fit the config\.json"):
        load_codec(config)
    assert not trace.exists()


@pytest.mark.parametrize("name", REPOSITORIES)
def test_without_the_extra_one_sentence_says_so(
    saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for module in list(sys.modules):
        if module.startswith(("harness.codecs.pretrained", "harness.codecs.dac")) or module in (
            "harness.codecs.mimi",
        ):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"needs .*transformers; install resynth-bench\[codecs\]"):
        load_codec(CodecConfig(name=name, weights=str(saved[name])))


def test_facts_need_neither_torch_nor_transformers(saved: dict[str, Path]) -> None:
    program = (
        "import sys\n"
        "from harness.codecs.catalog import codec_facts\n"
        "from harness.config import CodecConfig\n"
        "for name, weights in zip(sys.argv[1::2], sys.argv[2::2]):\n"
        "    print(codec_facts(CodecConfig(name=name, weights=weights)).name)\n"
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)\n"
    )
    pairs = [part for name, path in saved.items() for part in (name, str(path))]
    done = subprocess.run(
        [sys.executable, "-c", program, *pairs], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(saved)


def test_every_codec_has_one_family() -> None:
    assert {"tiny", "tiny-codes", "encodec", "dac-16khz", "dac-24khz", "dac-44khz", "mimi"} <= set(
        discover()
    )
