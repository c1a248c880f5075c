"""Metrics by networks: what they share, how given weights are found and refused, bad input."""

from __future__ import annotations

import gc
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from metrics import dnsmos_model
from metrics.base import Metric, MetricError, MetricUnavailable, Samples, Utterance
from metrics.registry import make
from metrics.stand_in import without_torchaudio

if TYPE_CHECKING:
    from conftest import Lab

GIVEN = ("utmos", "ecapa_similarity", "wavlm_similarity")
DNSMOS = ("dnsmos", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808")
WAVLM = ("preprocessor_config.json", "config.json", "model.safetensors")


class Payload:
    """Leaves a mark when unpickled by a loader that runs code."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self._mark),)


@pytest.fixture(scope="module")
def wavlm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny WavLM of seeded random weights, saved as the official one is."""
    import torch

    without_torchaudio()
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

    folder = tmp_path_factory.mktemp("wavlm")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    wider = {"intermediate_size": 64, "conv_dim": (16,) * 7, "num_conv_pos_embedding_groups": 4}
    top = {"tdnn_dim": (16, 16, 16, 16, 32), "xvector_output_dim": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        WavLMForXVector(WavLMConfig(**sizes, **wider, **top)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def wavlm(wavlm_folder: Path) -> Metric:
    """The metric over the tiny model."""
    metric = _given("wavlm_similarity", wavlm_folder, _sha256(wavlm_folder))
    metric.load()
    return metric


def test_one_run_serves_three_ratings(
    clip: Samples, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    shared = lab.load("dnsmos")._networks._p835
    original = shared.raw
    monkeypatch.setattr(shared, "raw", lambda *given: runs.append(1) or original(*given))
    estimate = lab.noisy(clip, 12)
    values = [lab.score(name, clip, estimate.copy()).value for name in DNSMOS]
    assert len(runs) == 1
    assert len(set(values)) == 4


def test_the_networks_go_when_no_metric_holds_them() -> None:
    before = dnsmos_model._LOADED.pop("DNSMOS", None)
    try:
        metric = make("dnsmos", {})
        metric.load()
        assert "DNSMOS" in dnsmos_model._LOADED
        del metric
        gc.collect()
        assert "DNSMOS" not in dnsmos_model._LOADED
    finally:
        if before is not None:
            dnsmos_model._LOADED["DNSMOS"] = before


@pytest.mark.parametrize("name", GIVEN)
def test_absent_weights_say_what_to_get(name: str, tmp_path: Path) -> None:
    with pytest.raises(MetricUnavailable, match=r"hf download \S+/\S+ .*--revision [0-9a-f]{40}"):
        _given(name, tmp_path / "none", "0" * 64).load()


@pytest.mark.parametrize("name", GIVEN)
def test_the_version_names_the_weights(name: str) -> None:
    versions = {_given(name, Path("a"), sha256).facts.version for sha256 in ("0" * 64, "1" * 64)}
    assert len(versions | {make(name, {}).facts.version}) == 3


@pytest.mark.parametrize("name", GIVEN)
def test_a_hash_is_64_hexadecimal_digits(name: str) -> None:
    with pytest.raises(MetricError, match="'sha256'"):
        make(name, {"sha256": "0" * 63})


@pytest.mark.parametrize("name", ["utmos", "ecapa_similarity"])
def test_weights_of_another_network_are_refused(name: str, tmp_path: Path) -> None:
    import torch

    file = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(2)}, file)
    with pytest.raises(MetricUnavailable, match=r"another network's: \d+ of \d+ weights"):
        _given(name, file, _sha256(file)).load()


@pytest.mark.parametrize("name", ["utmos", "ecapa_similarity"])
def test_code_among_the_weights_is_not_run(name: str, tmp_path: Path) -> None:
    import torch

    file, mark = tmp_path / "weights.pt", tmp_path / "ran"
    torch.save({"weight": Payload(mark)}, file)
    with pytest.raises(MetricUnavailable, match="no file of weights alone"):
        _given(name, file, _sha256(file)).load()
    assert not mark.exists()


def test_code_among_wavlms_weights_is_not_run(wavlm_folder: Path, tmp_path: Path) -> None:
    import torch

    for name in WAVLM[:2]:
        (tmp_path / name).write_bytes((wavlm_folder / name).read_bytes())
    torch.save({"weight": Payload(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    digest = _sha256(tmp_path, "pytorch_model.bin")
    with pytest.raises(MetricUnavailable, match="cannot be loaded"):
        _given("wavlm_similarity", tmp_path, digest).load()
    assert not (tmp_path / "ran").exists()


def test_an_incomplete_wavlm_is_refused(wavlm_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for name in WAVLM[:2]:
        (tmp_path / name).write_bytes((wavlm_folder / name).read_bytes())
    state = load_file(wavlm_folder / WAVLM[2])
    del state["projector.weight"]
    save_file(state, tmp_path / WAVLM[2], metadata={"format": "pt"})
    with pytest.raises(MetricUnavailable, match=r"lacks 1 weights, first projector\.weight"):
        _given("wavlm_similarity", tmp_path, _sha256(tmp_path)).load()


def test_other_content_than_declared_is_refused(wavlm_folder: Path) -> None:
    found = _sha256(wavlm_folder)
    for declared in ("0" * 64, ""):
        with pytest.raises(MetricUnavailable, match=rf"has sha256 {found}.* parameter 'sha256'"):
            _given("wavlm_similarity", wavlm_folder, declared).load()


def test_a_model_in_the_hubs_cache_is_found_by_name(
    wavlm_folder: Path, wavlm: Metric, clip: Samples, tmp_path: Path, monkeypatch: Any
) -> None:
    import torch
    from safetensors.torch import load_file

    found = make("wavlm_similarity", {})
    revision = "feb593a6c23c1cc3d9510425c29b0a14d2b07b1e"
    folder = tmp_path / "models--microsoft--wavlm-base-plus-sv/snapshots" / revision
    folder.mkdir(parents=True)
    for name in WAVLM[:2]:
        (folder / name).write_bytes((wavlm_folder / name).read_bytes())
    torch.save(load_file(wavlm_folder / WAVLM[2]), folder / "pytorch_model.bin")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found.load()
    assert revision[:16] in found.facts.version
    assert np.array_equal(found.prepare(clip)["embedding"], wavlm.prepare(clip)["embedding"])


def test_the_reference_itself_is_1_and_another_voice_is_not(
    wavlm: Metric, clip: Samples, stranger: Samples
) -> None:
    assert _score(wavlm, clip, clip.copy()) == 1
    assert -1 <= _score(wavlm, clip, stranger[: clip.size]) < 1


def test_bad_input_is_no_score(wavlm: Metric, clip: Samples) -> None:
    broken = clip.copy()
    broken[7] = np.nan
    for estimate, why in [
        (clip[:-1], "64000 samples, estimate 63999"),
        (broken, "estimate holds NaN"),
        (np.zeros_like(clip), "estimate is digital silence"),
    ]:
        with pytest.raises(MetricError, match=why):
            _score(wavlm, clip, estimate)
    with pytest.raises(MetricError, match="too short"):
        wavlm.prepare(clip[16_000:16_800])


def test_a_batch_scores_as_one_by_one(wavlm: Metric, clip: Samples, lab: Lab) -> None:
    prepared = wavlm.prepare(clip)
    estimates = [lab.noisy(clip, snr) for snr in (30, 10)]
    utterances = [Utterance(str(i), clip, e, prepared) for i, e in enumerate(estimates)]
    assert wavlm.score_batch(utterances) == [wavlm.score(u) for u in utterances]


def test_loading_leaves_the_random_state(wavlm_folder: Path) -> None:
    import torch

    before, numpys = torch.get_rng_state(), np.random.get_state()[1].tolist()
    _given("wavlm_similarity", wavlm_folder, _sha256(wavlm_folder)).load()
    make("distillmos", {}).load()
    assert torch.equal(before, torch.get_rng_state())
    assert np.random.get_state()[1].tolist() == numpys


def _given(name: str, weights: Path, sha256: str) -> Metric:
    return make(name, {"weights": str(weights), "sha256": sha256})


def _score(metric: Metric, reference: Samples, estimate: Samples) -> float:
    return metric.compare(reference, estimate).value


def _sha256(path: Path, weights: str = WAVLM[2]) -> str:
    files = [path / name for name in (*WAVLM[:2], weights)] if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
