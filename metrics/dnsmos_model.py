"""What the DNSMOS metrics share, their networks above all: not a metric.

Source: Reddy, Gopal, Cutler, "DNSMOS P.835: a non-intrusive perceptual objective speech quality
metric to evaluate noise suppressors", ICASSP 2022 (SIG, BAK, OVRL), and their "DNSMOS", ICASSP
2021 (P.808), both through speechmos. A network sees 9.01 s; longer audio is the mean over windows
a second apart, as published. A shorter clip is looped to fill one window. The published code
doubles it until it is long enough: the same window from 4.51 s up; below, it averages shifted
copies of one loop, at several times the cost.
"""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from metrics.base import Metric, MetricError, Samples, Score, Utterance, check_audio
from metrics.cache import LRU
from metrics.dnsmos_p835 import P835Network, one_thread_session
from metrics.packages import import_pinned, verified

PINS = {"speechmos": "0.0.1.1"}
_P835, _P808 = "sig_bak_ovr.onnx", "model_v8.onnx"
_SHA256 = {
    _P835: "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd",
    _P808: "9246480c58567bc6affd4200938e77eef49468c8bc7ed3776d109c07456f6e91",
}
_RATE, _SECONDS, _WINDOW = 16_000, 9.01, 144_160
_P808_WINDOW = _WINDOW - 160  # the published features leave the last hop out
_MIN_SECONDS = 0.5
_CLIPS = 1024


class P835(NamedTuple):
    """Predicted ratings of the speech alone, of the background and of both."""

    signal: float
    background: float
    overall: float


class Networks:
    """Both networks on one thread; every clip's ratings are kept by its content."""

    def __init__(self, package: Any) -> None:
        """Load speechmos' models; raises MetricUnavailable if one is absent or differs."""
        folder = Path(package.__file__).with_name("dnsmos_models")
        files = {name: verified(folder / name, sha256, PINS) for name, sha256 in _SHA256.items()}
        # Not constructed: that would load the networks again, on every core of the machine.
        self._official: Any = package.DNSMOS.__new__(package.DNSMOS)
        self._p835 = P835Network(files[_P835])
        self._p808 = one_thread_session(files[_P808].read_bytes())
        self._p835_of: LRU[bytes, P835] = LRU(_CLIPS)
        self._p808_of: LRU[bytes, float] = LRU(_CLIPS)

    def p835(self, samples: Samples) -> P835:
        """Return the ratings of a clip (T,) at 16 kHz."""
        return self._p835_of.get(_content(samples), lambda: self._run_p835(_looped(samples)))

    def p808(self, samples: Samples) -> float:
        """Return the rating of a clip (T,) at 16 kHz."""
        return self._p808_of.get(_content(samples), lambda: self._run_p808(_looped(samples)))

    def _run_p835(self, samples: Samples) -> P835:
        raw = self._p835.raw(samples, _starts(samples.size))
        ratings = [self._official.get_polyfit_val(*window, False) for window in raw]
        return P835(*(float(value) for value in np.mean(ratings, axis=0)))

    def _run_p808(self, samples: Samples) -> float:
        ratings = []
        for second in _starts(samples.size):
            window = samples[second * _RATE :][:_P808_WINDOW]
            mel = np.asarray(self._official.audio_melspec(window), dtype=np.float32)
            ratings.append(self._p808.run(None, {"input_1": mel[None]})[0][0][0])
        return float(np.mean(ratings))


_LOADED: WeakValueDictionary[str, Networks] = WeakValueDictionary()


def networks() -> Networks:
    """Return this process's networks, loaded once for as long as a metric holds them.

    Raises:
        MetricUnavailable: a package or a model file is absent or differs.
    """
    package = import_pinned(
        "speechmos.dnsmos", PINS, "speechmos declares no needs: pip install librosa requests"
    )
    import_pinned("onnx", {}, "pip install onnx")
    found = _LOADED.get("DNSMOS")
    if found is None:
        found = _LOADED["DNSMOS"] = Networks(package)
    return found


class DnsmosMetric(Metric):
    """A DNSMOS rating; a metric names which of the networks' ratings it is."""

    model = "DNSMOS"
    packages = ("speechmos", "onnxruntime", "onnx", "librosa", "requests")

    def load(self) -> None:
        """Load both networks on one thread; raises MetricUnavailable if something is absent."""
        self._networks = networks()

    def score(self, utterance: Utterance) -> Score:
        """Score the estimate (T,) at 16 kHz.

        Raises:
            MetricError: bad or too short audio, or samples beyond [-1, 1].
        """
        estimate = utterance.estimate
        check_audio(estimate, "estimate", self.facts.sample_rate, _MIN_SECONDS)
        peak = float(np.abs(estimate).max())
        if peak > 1:
            raise MetricError(f"estimate peaks at {peak:.3f}, beyond [-1, 1]")
        value = self._rating(estimate)
        if not math.isfinite(value):
            raise MetricError(f"DNSMOS returned {value}")
        return Score(value)

    @abstractmethod
    def _rating(self, samples: Samples) -> float:
        """Return the metric's own rating of a clip (T,) at 16 kHz."""


def _looped(samples: Samples) -> Samples:
    return samples if samples.size >= _WINDOW else np.resize(samples, _WINDOW)


def _starts(size: int) -> list[int]:
    """Return the seconds at which the windows start, as published.

    The published arithmetic rounds the windows from second 7 to 23, and some beyond 100, to one
    sample too few and so leaves them out: kept, since everyone's numbers have it.
    """
    count = int(np.floor(size / _RATE) - _SECONDS) + 1
    ends = (int((second + _SECONDS) * _RATE) for second in range(count))
    return [second for second, end in enumerate(ends) if end - second * _RATE == _WINDOW]


def _content(samples: Samples) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(samples).tobytes(), digest_size=16).digest()
