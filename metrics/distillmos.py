"""DistillMOS, a model's guess of a MOS, through its own package.

Source: Stahl and Gamper, "Distillation and pruning for scalable self-supervised representation-
based speech quality assessment", ICASSP 2025.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metrics.base import Facts, Metric, Samples, Score, Utterance, check_audio
from metrics.packages import import_pinned, verified
from metrics.stand_in import without_torchaudio

_PINS = {"distillmos": "0.9.1", "xls-r-sqa": "0.1.0"}
_SHA256 = "b18b3ac60227267cfb91e5d00ce22cc7b73716fd92f269484da1446e27031a40"
_MIN_SECONDS = 0.5
_WINDOW, _HOP = 122_880, 16_000  # 7.68 s; windows start at most 1 s apart


class DistillMos(Metric):
    """A small network taught by one that was trained on many listening tests; never human.

    It sees 7.68 s, each window scaled to its peak. Shorter audio is padded with zeros; longer is
    the mean over evenly spaced windows, both as published. Windows run one at a time: on one
    thread a batch of them is slower, and its memory grows with the utterance.
    """

    facts = Facts(
        name="distillmos",
        label="DistillMOS (predicted MOS)",
        kind="no reference",
        unit="predicted MOS",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"1 (distillmos {_PINS['distillmos']}, variant 7)",
        source="Stahl and Gamper, DistillMOS, ICASSP 2025",
        description=(
            "A network's guess of listeners' overall rating, distilled from a larger network. Not "
            "a human rating."
        ),
        lower_bound=1.0,
        upper_bound=5.0,
        predicted=True,
    )
    model = "DistillMOS"
    packages = ("distillmos", "torch")

    def load(self) -> None:
        """Load the network on the CPU; raises MetricUnavailable if something is absent."""
        without_torchaudio()
        package = import_pinned("distillmos", _PINS, "pip install torch")
        weights = Path(package.__file__).parent / "weights" / "distill_mos_v7.pt"
        state = verified(weights, _SHA256, _PINS)
        import torch

        with torch.random.fork_rng(devices=[]):
            model = package.ConvTransformerSQAModel(load_weights=False, segmenting_in_forward=False)
        model.load_state_dict(torch.load(state, map_location="cpu", weights_only=True)["model"])
        self._model: Any = model.eval()

    def score(self, utterance: Utterance) -> Score:
        """Score the estimate (T,) at 16 kHz; raises MetricError on bad or too short audio."""
        check_audio(utterance.estimate, "estimate", self.facts.sample_rate, _MIN_SECONDS)
        import torch

        with torch.inference_mode():
            windows = [torch.from_numpy(window)[None] for window in _windows(utterance.estimate)]
            ratings = [self._model(window).item() for window in windows]
        return Score(float(np.mean(ratings)))


def _windows(samples: Samples) -> list[Samples]:
    """Return the published windows (122880,) of a clip (T,) at 16 kHz."""
    surplus = samples.size - _WINDOW
    if surplus <= 0:
        return [np.pad(samples, (0, -surplus))]
    count = int(np.ceil(surplus / _HOP)) + 1
    starts = [int(place * surplus) for place in np.linspace(0, 1, count)]
    return [np.ascontiguousarray(samples[start : start + _WINDOW]) for start in starts]
