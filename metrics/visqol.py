"""ViSQOL in speech mode, through visqol-python.

Source: Chinen et al., "ViSQOL v3: an open source production ready objective speech and audio
metric", QoMEX 2020; visqol-python is a port of Google's C++ 3.3.3.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from metrics.base import Facts, Metric, MetricError, Samples, Score, Utterance, check_pair
from metrics.cache import LRU
from metrics.packages import import_pinned

_PINS = {"visqol-python": "3.8.0"}
# 29 frames (an 80 ms window every 20 ms): the first 9 are skipped, one patch takes 20.
_MIN_SECONDS = 0.64
_REFERENCES = 256


def build_manager() -> Any:
    """Return visqol-python's manager in the mode scored here: speech, exponential mapping.

    Raises:
        MetricUnavailable: visqol-python is absent, or numba, without which it crawls.
    """
    import_pinned("numba", {}, "ViSQOL needs it for speed: pip install numba")
    module = import_pinned("visqol.visqol_manager", _PINS)
    manager = module.VisqolManager()
    manager.init(use_speech_mode=True, use_lattice_model=False)
    return manager


class Visqol(Metric):
    """ViSQOL, MOS-LQO; 5 for the reference itself.

    The exponential mapping (fitted on TCD-VoIP, scaled to 5) rather than the lattice: it is a
    monotone function of the similarity, and needs no TFLite runtime.
    """

    facts = Facts(
        name="visqol",
        label="ViSQOL (speech)",
        kind="reference",
        unit="MOS-LQO",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"1 (visqol-python {_PINS['visqol-python']}, speech, exponential mapping to 5)",
        source="Chinen et al., ViSQOL v3, QoMEX 2020",
        description=(
            "Similarity of gammatone spectrogram patches where the reference is active, mapped to "
            "a quality by an exponential."
        ),
        lower_bound=1.0,
        upper_bound=5.0,
        slow=True,
    )
    packages = ("visqol-python", "numba", "scipy")

    def load(self) -> None:
        """Build the manager and compile its kernels (seconds, once per machine)."""
        self._manager = build_manager()
        self._signal: Any = import_pinned("visqol.audio_utils", _PINS).AudioSignal
        self._references = _ReferenceSide(self._manager)
        noise = np.random.default_rng(0).normal(0, 0.1, self.facts.sample_rate)
        self._run(noise.astype(np.float32), noise.astype(np.float32), object())

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError on bad or too short input."""
        check_pair(utterance, self.facts, _MIN_SECONDS)
        try:
            value = self._run(utterance.reference, utterance.estimate, utterance.reference_key)
        except ValueError as error:
            raise MetricError(f"ViSQOL: {error}") from error
        if not math.isfinite(value):
            raise MetricError(f"ViSQOL returned {value}")
        return Score(value)

    def _run(self, reference: Samples, estimate: Samples, key: Hashable) -> float:
        rate = self.facts.sample_rate
        signal = self._signal(reference, rate)
        self._references.current(key, signal)
        return float(self._manager.run_from_signals(signal, self._signal(estimate, rate)).moslqo)


class _ReferenceSide:
    """The manager's spectrogram builder and patch creator, remembering what the reference gives.

    The reference's spectrogram and its voice activity (a loop over samples in Python) depend on
    the reference alone and take over a third of the time; the results are the package's own.
    """

    def __init__(self, manager: Any) -> None:
        self._builder = manager.spect_builder
        self._creator = manager.patch_creator
        manager.spect_builder = manager.patch_creator = self
        self._spectrograms: LRU[Hashable, Any] = LRU(_REFERENCES)
        self._patches: LRU[Hashable, list[int]] = LRU(_REFERENCES)

    def current(self, key: Hashable, signal: Any) -> None:
        self._key, self._reference = key, signal

    def build(self, signal: Any, window: Any) -> Any:
        if signal is not self._reference:
            return self._builder.build(signal, window)
        return self._spectrograms.get(self._key, lambda: self._builder.build(signal, window))

    def create_ref_patch_indices(self, spectrogram: Any, signal: Any, window: Any) -> list[int]:
        return self._patches.get(
            self._key, lambda: self._creator.create_ref_patch_indices(spectrogram, signal, window)
        )

    def create_patches_from_indices(self, spectrogram: Any, indices: list[int]) -> Any:
        return self._creator.create_patches_from_indices(spectrogram, indices)
