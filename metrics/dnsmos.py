"""DNSMOS P.835 overall quality, a model's guess of a MOS, through speechmos.

Source: Reddy, Gopal, Cutler, "DNSMOS P.835: a non-intrusive perceptual objective speech quality
metric to evaluate noise suppressors", ICASSP 2022.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from metrics.base import Facts, Metric, MetricError, Samples, Score, Utterance, check_audio
from metrics.packages import import_pinned, verified

_PINS = {"speechmos": "0.0.1.1"}
_MODELS = {
    "sig_bak_ovr.onnx": "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd",
    "model_v8.onnx": "9246480c58567bc6affd4200938e77eef49468c8bc7ed3776d109c07456f6e91",
}
_MIN_SECONDS = 0.5
# The model's window, 9.01 s at 16 kHz.
_WINDOW = 144_160


class Dnsmos(Metric):
    """DNSMOS overall (OVRL), trained on ratings of denoised calls: predicted, never human.

    The model sees 9.01 s. Longer audio is the mean over windows a second apart, as published. A
    shorter clip is looped to fill one window. The published code doubles it until it is long
    enough: the same window from 4.51 s up; below, it averages shifted copies of one loop, at
    several times the cost.
    """

    facts = Facts(
        name="dnsmos",
        label="DNSMOS (predicted MOS)",
        kind="no reference",
        unit="predicted MOS",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"1 (speechmos {_PINS['speechmos']}, OVRL, clips looped to one window)",
        source="Reddy et al., DNSMOS P.835, ICASSP 2022",
        description=(
            "A network's guess of listeners' overall rating, trained on denoised speech. Not a "
            "human rating."
        ),
        lower_bound=1.0,
        upper_bound=5.0,
        predicted=True,
    )
    packages = ("speechmos", "onnxruntime", "librosa", "requests")

    def load(self) -> None:
        """Load both ONNX models on one thread; raises MetricUnavailable if something is absent."""
        runtime = import_pinned("onnxruntime", {}, "pip install onnxruntime")
        package = import_pinned(
            "speechmos.dnsmos", _PINS, "speechmos declares no needs: pip install librosa requests"
        )
        folder = Path(package.__file__).with_name("dnsmos_models")
        overall, p808 = (
            str(verified(folder / name, sha256, _PINS)) for name, sha256 in _MODELS.items()
        )
        self._model: Any = package.DNSMOS(overall, p808)
        self._model.onnx_sess = _one_thread(runtime, overall)
        self._model.p808_onnx_sess = _one_thread(runtime, p808)

    def score(self, utterance: Utterance) -> Score:
        """Score the estimate (T,) at 16 kHz.

        Raises:
            MetricError: bad or too short audio, or samples beyond [-1, 1].
        """
        rate = self.facts.sample_rate
        estimate = utterance.estimate
        check_audio(estimate, "estimate", rate, _MIN_SECONDS)
        peak = float(np.abs(estimate).max())
        if peak > 1:
            raise MetricError(f"estimate peaks at {peak:.3f}, beyond [-1, 1]")
        value = float(self._model(_looped(estimate), rate, False)["ovrl_mos"])
        if not math.isfinite(value):
            raise MetricError(f"DNSMOS returned {value}")
        return Score(value)


def _looped(samples: Samples) -> Samples:
    return samples if samples.size >= _WINDOW else np.resize(samples, _WINDOW)


def _one_thread(runtime: Any, model: str) -> Any:
    # speechmos would take every core of the machine, whatever share the worker has.
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
