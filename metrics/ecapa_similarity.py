"""Cosine between ECAPA-TDNN speaker embeddings, through SpeechBrain.

Source: Desplanques, Thienpondt, Demuynck, "ECAPA-TDNN", Interspeech 2020; SpeechBrain's
spkrec-ecapa-voxceleb, whose front end and sizes are repeated here, since its own settings file can
run any code.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.base import Facts, Samples
from metrics.embeddings import EmbeddingSimilarity
from metrics.given_weights import Sha256, check_content, find_files, load_state
from metrics.packages import import_pinned
from metrics.stand_in import without_torchaudio

_PINS = {"speechbrain": "1.1.2"}
_REPOSITORY, _FILE = "speechbrain/spkrec-ecapa-voxceleb", "embedding_model.ckpt"
_REVISION = "0f99f2d0ebe89ac095bcc5903c4dd8f72b367286"
_SHA256 = "0575cb64845e6b9a10db9bcb74d5ac32b326b8dc90352671d345e2ee3d0126a2"
_MELS = 80
_NETWORK = {
    "channels": [1024, 1024, 1024, 1024, 3072],
    "kernel_sizes": [5, 3, 3, 3, 1],
    "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 128,
    "lin_neurons": 192,
}


class EcapaSimilarity(EmbeddingSimilarity):
    """SpeechBrain's own verification score: 80 log mels less their mean, ECAPA-TDNN, cosine."""

    class Params(EmbeddingSimilarity.Params):
        """`weights`: path of embedding_model.ckpt; empty: the hub's local cache. And its hash."""

        weights: str = ""
        sha256: Sha256 = _SHA256

    facts = Facts(
        name="ecapa_similarity",
        label="Speaker similarity (ECAPA)",
        kind="reference",
        unit="cosine",
        higher_is_better=True,
        sample_rate=16_000,
        version="1",
        source="Desplanques et al., ECAPA-TDNN, Interspeech 2020; SpeechBrain 1.1.2",
        description=(
            "Cosine between ECAPA-TDNN speaker embeddings of estimate and reference, trained on "
            "VoxCeleb."
        ),
        lower_bound=-1.0,
        upper_bound=1.0,
    )
    params: Params
    model = "ECAPA-TDNN"
    packages = ("speechbrain", "torch")

    def described(self) -> Facts:
        """Return the facts; the version names the weights by their hash."""
        pins = f"speechbrain {_PINS['speechbrain']}"
        return replace(self.facts, version=f"1 ({pins}, weights {self.params.sha256[:16]})")

    def load(self) -> None:
        """Load the network on the CPU; raises MetricUnavailable if something is absent."""
        without_torchaudio()
        # It warns of the stand-in, of which nothing here is used.
        logging.getLogger("speechbrain.utils.torch_audio_backend").setLevel(logging.ERROR)
        network = import_pinned("speechbrain.lobes.models.ECAPA_TDNN", _PINS)
        features = import_pinned("speechbrain.lobes.features", _PINS)
        processing = import_pinned("speechbrain.processing.features", _PINS)
        given = [Path(self.params.weights).expanduser()] if self.params.weights else []
        (weights,) = find_files(given, _REPOSITORY, _REVISION, [_FILE])
        check_content([weights], self.params.sha256)
        import torch

        with torch.random.fork_rng(devices=[]):
            self._network: Any = network.ECAPA_TDNN(_MELS, **_NETWORK)
        self._mels: Any = features.Fbank(n_mels=_MELS)
        self._less_mean: Any = processing.InputNormalization(norm_type="sentence", std_norm=False)
        self._network.load_state_dict(load_state(weights, self._network.state_dict()))
        for module in (self._network, self._mels, self._less_mean):
            module.eval()

    def _embed(self, samples: Samples) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            whole = torch.ones(1)
            mels = self._less_mean(self._mels(torch.tensor(samples)[None]), whole)
            return np.asarray(self._network(mels, whole).numpy().ravel(), dtype=np.float32)
