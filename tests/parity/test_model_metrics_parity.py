"""Predicted MOS and speaker similarity have the values of their networks' own packages.

Where official weights are not at hand, seeded random ones are saved as the official ones are: this
shows the path from file to value, not the value of a trained network.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.embedded import EmbeddedCorpus
from harness.data.read import read_utterance
from metrics.base import Metric, Samples
from metrics.registry import make
from metrics.stand_in import without_torchaudio

RATE = 16_000
SPEECHMOS = {
    "dnsmos": "ovrl_mos",
    "dnsmos_sig": "sig_mos",
    "dnsmos_bak": "bak_mos",
    "dnsmos_p808": "p808_mos",
}
OFFICIAL_ECAPA = {
    "channels": [1024, 1024, 1024, 1024, 3072],
    "kernel_sizes": [5, 3, 3, 3, 1],
    "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 128,
    "lin_neurons": 192,
}


@pytest.fixture(scope="module")
def prompts() -> list[Samples]:
    """Eight prompts (T,) at 16 kHz, of 2 s or longer, by several voices."""
    corpus = EmbeddedCorpus()
    rows = [row for row in corpus.utterances()[::40] if row.seconds >= 2]
    return [read_utterance(corpus, row) for row in rows[:: len(rows) // 8][:8]]


@pytest.fixture(scope="module")
def pair(prompts: list[Samples]) -> tuple[Samples, Samples]:
    """A prompt and another, equally long."""
    size = min(prompts[0].size, prompts[-1].size)
    return prompts[0][:size], prompts[-1][:size]


# 18 s have nine windows by the clock, of which the published arithmetic leaves out two. Windows
# share their layers here, so sums may come in another order.
@pytest.mark.parametrize("seconds", [4.6, 9.3, pytest.param(18.2, marks=pytest.mark.slow)])
def test_dnsmos_is_speechmos(seconds: float, prompts: list[Samples]) -> None:
    from speechmos import dnsmos

    clip = np.resize(np.concatenate(prompts), int(seconds * RATE))
    direct = dnsmos.run(clip, RATE)
    for name, key in SPEECHMOS.items():
        value = _score(_loaded(name), clip, clip)
        assert value == pytest.approx(direct[key], abs=1e-6), name


@pytest.mark.parametrize("seconds", [2.5, pytest.param(10.4, marks=pytest.mark.slow)])
def test_distillmos_is_the_package(seconds: float, prompts: list[Samples]) -> None:
    import torch

    metric = _loaded("distillmos")
    import distillmos

    official = distillmos.ConvTransformerSQAModel().eval()
    clip = np.resize(np.concatenate(prompts), int(seconds * RATE))
    with torch.inference_mode():
        direct = official(torch.from_numpy(clip)[None]).item()
    # The package runs all windows as one batch.
    assert _score(metric, clip, clip) == pytest.approx(direct, abs=1e-5)


@pytest.mark.slow
def test_utmos_is_the_package(tmp_path: Path, prompts: list[Samples]) -> None:
    import torch
    from utmos_pytorch import UTMOSScoreTorch
    from utmos_pytorch.utmos_torch import UTMOSModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = _saved(tmp_path / "utmos_state_dict.pt", _seeded(UTMOSModel).state_dict())
        metric = _loaded("utmos", weights=str(file), sha256=_sha256(file))
        official = UTMOSScoreTorch(ckpt_path=str(file))
    values = [_score(metric, clip, clip) for clip in prompts[:2]]
    assert values == [official.score(torch.from_numpy(clip)).item() for clip in prompts[:2]]
    assert values[0] != values[1]


def test_ecapa_is_speechbrains_verification(tmp_path: Path, pair: tuple[Samples, Samples]) -> None:
    import torch

    without_torchaudio()
    from speechbrain.inference.speaker import SpeakerRecognition
    from speechbrain.lobes.features import Fbank
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
    from speechbrain.processing.features import InputNormalization

    network = _seeded(lambda: ECAPA_TDNN(80, **OFFICIAL_ECAPA)).eval()
    assert len(network.state_dict()) == 231  # as many as embedding_model.ckpt is known to hold
    file = _saved(tmp_path / "embedding_model.ckpt", network.state_dict())
    metric = _loaded("ecapa_similarity", weights=str(file), sha256=_sha256(file))
    modules = {
        "compute_features": Fbank(n_mels=80),
        "mean_var_norm": InputNormalization(norm_type="sentence", std_norm=False),
        "embedding_model": network,
        "mean_var_norm_emb": InputNormalization(norm_type="global", std_norm=False),
    }
    official = SpeakerRecognition(modules=modules, hparams={})
    one, two = (torch.from_numpy(side.copy())[None] for side in pair)
    direct = official.verify_batch(one, two)[0].item()
    assert _score(metric, *pair) == pytest.approx(direct, abs=1e-6)
    embedded = official.encode_batch(one).numpy().ravel()
    assert np.array_equal(metric.prepare(pair[0])["embedding"], embedded)


@pytest.mark.parametrize("form", ["model.safetensors", "pytorch_model.bin"])
def test_wavlm_is_transformers(form: str, tmp_path: Path, pair: tuple[Samples, Samples]) -> None:
    import torch

    without_torchaudio()
    from transformers import Wav2Vec2FeatureExtractor

    network, extractor = _tiny_wavlm(), Wav2Vec2FeatureExtractor(do_normalize=False)
    network.save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    if form == "pytorch_model.bin":
        (tmp_path / "model.safetensors").unlink()
        _saved(tmp_path / form, _as_published(network.state_dict()))
    files = [tmp_path / name for name in ("preprocessor_config.json", "config.json", form)]
    metric = _loaded("wavlm_similarity", weights=str(tmp_path), sha256=_sha256(*files))
    inputs = [extractor(side, sampling_rate=RATE, return_tensors="pt") for side in pair]
    with torch.inference_mode():
        one, two = (network(**side).embeddings[0] for side in inputs)
    direct = torch.nn.CosineSimilarity(dim=-1)(one, two).item()
    assert _score(metric, *pair) == pytest.approx(direct, abs=1e-6)
    assert np.array_equal(metric.prepare(pair[0])["embedding"], one.numpy())


def _tiny_wavlm() -> Any:
    from transformers import WavLMConfig, WavLMForXVector

    settings = WavLMConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        num_conv_pos_embedding_groups=4,
        tdnn_dim=(16, 16, 16, 16, 32),
        xvector_output_dim=16,
    )
    return _seeded(lambda: WavLMForXVector(settings)).eval()


def _as_published(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state under the names that weight norm had when the model was published."""
    renamed = {"parametrizations.weight.original0": "weight_g"}
    renamed["parametrizations.weight.original1"] = "weight_v"
    for new, old in renamed.items():
        assert any(new in name for name in state)
        state = {name.replace(new, old): tensor for name, tensor in state.items()}
    return state


def _seeded(build: Any) -> Any:
    """Return a network of random weights, its biases too, which most start at zero."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = build()
        for name, weight in network.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0, 0.05)
    return network


def _saved(path: Path, state: dict[str, Any]) -> Path:
    import torch

    torch.save(state, path)
    return path


def _sha256(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _loaded(name: str, **params: str) -> Metric:
    metric = make(name, params)
    metric.load()
    return metric


def _score(metric: Metric, reference: Samples, estimate: Samples) -> float:
    return metric.compare(reference, estimate).value
