"""UTMOS, a model's guess of a MOS, through utmos-pytorch and weights given by path.

Source: Saeki et al., "UTMOS: UTokyo-SaruLab system for VoiceMOS Challenge 2022", Interspeech 2022:
the strong learner, whose official checkpoint is published again without fairseq.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from metrics.base import (
    Facts,
    Metric,
    MetricError,
    Score,
    Utterance,
    check_audio,
)
from metrics.given_weights import Sha256, check_content, find_files, load_state
from metrics.packages import import_pinned

_PINS = {"utmos-pytorch": "0.1.0"}
_REPOSITORY, _FILE = "Blinorot/UTMOS-PyTorch", "utmos_state_dict.pt"
_REVISION = "4f2447e519df3b88567b45583d3500006729502b"
_SHA256 = "21b98001a7d5164d562a40d76aff80ae996deeabe4473c3a6786d1c591c2cc47"
_MIN_SECONDS = 0.5


class Utmos(Metric):
    """UTMOS22 strong, trained on ratings of synthesised English speech; never human.

    It sees the whole utterance. Utterances are not batched: its first layer normalises over time,
    so padding would change values, and its authors score one at a time.
    """

    class Params(Metric.Params):
        """`weights`: path of utmos_state_dict.pt; empty: the hub's local cache. And its hash."""

        weights: str = ""
        sha256: Sha256 = _SHA256

    facts = Facts(
        name="utmos",
        label="UTMOS (predicted MOS)",
        kind="no reference",
        unit="predicted MOS",
        higher_is_better=True,
        sample_rate=16_000,
        version="1",
        source="Saeki et al., UTMOS, Interspeech 2022",
        description=(
            "A network's guess of listeners' rating of naturalness, trained on synthesised "
            "speech. Not a human rating."
        ),
        predicted=True,
    )
    params: Params
    model = "UTMOS"
    packages = ("utmos_pytorch", "torch")
    optional = True

    def described(self) -> Facts:
        """Return the facts; the version names the weights by their hash."""
        pins = f"utmos-pytorch {_PINS['utmos-pytorch']}"
        return replace(self.facts, version=f"1 ({pins}, weights {self.params.sha256[:16]})")

    def load(self) -> None:
        """Load the network on the CPU; raises MetricUnavailable if something is absent."""
        package = import_pinned("utmos_pytorch.utmos_torch", _PINS)
        given = [Path(self.params.weights).expanduser()] if self.params.weights else []
        (weights,) = find_files(given, _REPOSITORY, _REVISION, [_FILE])
        check_content([weights], self.params.sha256)
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its weight_norm is deprecated
            with torch.device("meta"):
                wanted = package.UTMOSModel().state_dict()
            load_state(weights, wanted)  # checked here: the package would pass over gaps
            with torch.random.fork_rng(devices=[]):
                self._model: Any = package.UTMOSScoreTorch(ckpt_path=str(weights))

    def score(self, utterance: Utterance) -> Score:
        """Score the estimate (T,) at 16 kHz; raises MetricError on bad or too short audio."""
        check_audio(utterance.estimate, "estimate", self.facts.sample_rate, _MIN_SECONDS)
        import torch

        with torch.inference_mode():
            value = float(self._model(torch.tensor(utterance.estimate)).item())
        if not math.isfinite(value):
            raise MetricError(f"UTMOS returned {value}")
        return Score(value)
