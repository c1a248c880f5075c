"""Cosine between WavLM x-vectors, through transformers.

Source: Chen et al., "WavLM: large-scale self-supervised pre-training for full stack speech
processing", IEEE JSTSP 16(6), 2022; Microsoft's wavlm-base-plus-sv.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from metrics.base import Facts, MetricUnavailable, Samples
from metrics.embeddings import EmbeddingSimilarity
from metrics.given_weights import check_content, find_files
from metrics.packages import import_pinned
from metrics.stand_in import quiet, without_torchaudio

_PINS = {"transformers": "5.23.0"}
_REPOSITORY = "microsoft/wavlm-base-plus-sv"
_REVISION = "feb593a6c23c1cc3d9510425c29b0a14d2b07b1e"
_SETTINGS = ("preprocessor_config.json", "config.json")
_SAFE, _TORCH = "model.safetensors", "pytorch_model.bin"


class WavlmSimilarity(EmbeddingSimilarity):
    """Cosine of the model's x-vectors; its card calls two voices the same from 0.86."""

    class Params(EmbeddingSimilarity.Params):
        """Where the model lies.

        `weights`: a folder in transformers' format; empty: the pinned revision of
        microsoft/wavlm-base-plus-sv in the hub's local cache, whose content the revision names.
        `sha256`: what `cat preprocessor_config.json config.json WEIGHTS | sha256sum` says of the
        folder, where WEIGHTS is model.safetensors or else pytorch_model.bin.
        """

        weights: str = ""
        sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    facts = Facts(
        name="wavlm_similarity",
        label="Speaker similarity (WavLM)",
        kind="reference",
        unit="cosine",
        higher_is_better=True,
        sample_rate=16_000,
        version="1",
        source="Chen et al., WavLM, IEEE JSTSP 16(6), 2022; microsoft/wavlm-base-plus-sv",
        description=(
            "Cosine between WavLM x-vectors of estimate and reference. Its authors take two voices "
            "for one from 0.86: compare systems, not the value with 1."
        ),
        lower_bound=-1.0,
        upper_bound=1.0,
    )
    params: Params
    model = "WavLM"
    packages = ("transformers", "torch", "safetensors")

    def described(self) -> Facts:
        """Return the facts; the version names the weights."""
        given = self.params.weights or self.params.sha256
        named = f"files {self.params.sha256[:16] or 'unnamed'}" if given else _REVISION[:16]
        pins = f"transformers {_PINS['transformers']}"
        return replace(self.facts, version=f"1 ({pins}, weights {named})")

    def load(self) -> None:
        """Load the network on the CPU; raises MetricUnavailable if something is absent."""
        without_torchaudio()
        package = import_pinned("transformers", _PINS, "pip install 'resynth-bench[codecs]'")
        files = self._files()
        if self.params.weights or self.params.sha256:
            check_content(files, self.params.sha256)
        folder = files[-1].parent
        import torch

        with torch.random.fork_rng(devices=[]), quiet():
            try:
                self._features: Any = package.Wav2Vec2FeatureExtractor.from_pretrained(
                    folder, local_files_only=True
                )
                model, report = package.WavLMForXVector.from_pretrained(
                    folder,
                    local_files_only=True,
                    use_safetensors=files[-1].name == _SAFE,
                    weights_only=True,
                    output_loading_info=True,
                    dtype=torch.float32,
                )
            except (pickle.UnpicklingError, RuntimeError, ValueError, OSError) as error:
                raise MetricUnavailable(f"{folder} cannot be loaded: {error}") from error
        if faults := sorted(report["missing_keys"]):
            raise MetricUnavailable(f"{files[-1]} lacks {len(faults)} weights, first {faults[0]}")
        self._network: Any = model.eval()

    def _files(self) -> list[Path]:
        """Return the settings and the weights that are read."""
        given: list[Path] = []
        names = [*_SETTINGS, _TORCH]
        if self.params.weights:
            folder = Path(self.params.weights).expanduser()
            names[-1] = _SAFE if (folder / _SAFE).is_file() else _TORCH
            given = [folder / name for name in names]
        return find_files(given, _REPOSITORY, _REVISION, names)

    def _embed(self, samples: Samples) -> NDArray[np.float32]:
        import torch

        rate = self.facts.sample_rate
        inputs = self._features(samples, sampling_rate=rate, return_tensors="pt")
        with torch.inference_mode():
            return np.asarray(self._network(**inputs).embeddings[0].numpy(), dtype=np.float32)
