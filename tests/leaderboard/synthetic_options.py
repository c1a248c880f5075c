"""What a SYNTHETIC store holds: systems with an invented quality, and metrics that follow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from synthetic_records import codec

from harness.records import Checkpoint, CodecFacts

METHODS = {"coarse_to_fine": 0.575, "parallel_tokens": 0.565, "regression": 0.60, "bridge": 0.605}
# name: label, unit, higher, ratio, predicted, base, slope over the 0..1 quality, noise, upper bound
METRICS: dict[str, tuple[str, str, bool, bool, bool, float, float, float, float | None]] = {
    "estoi": ("ESTOI", "correlation", True, False, False, 0.0, 1.0, 0.03, 1.0),
    "pesq": ("PESQ (wb)", "MOS-LQO", True, False, False, 0.4, 1.8, 0.1, 4.64),
    "visqol": ("ViSQOL (speech)", "MOS-LQO", True, False, False, 0.6, 3.0, 0.15, 5.0),
    "si_snr": ("SI-SNR", "dB", True, False, False, -12.0, 18.0, 1.5, None),
    "speaker_similarity": ("Speaker similarity", "cosine", True, False, False, 0.5, 0.4, 0.03, 1.0),
    "wer": ("WER", "errors per word", False, True, False, 0.9, -0.9, 0.0, None),
    "dwer": ("dWER", "errors per word", False, True, False, 0.8, -0.8, 0.0, None),
    "dnsmos": ("DNSMOS (predicted MOS)", "predicted MOS", True, False, True, 1.4, 1.7, 0.12, 5.0),
}


DEFAULT_METRICS = tuple(name for name in METRICS if name != "dwer")


@dataclass
class Options:
    """What the synthetic store holds; the defaults make a store of a second."""

    splits: dict[str, int] = field(default_factory=lambda: {"test": 12, "valid": 6})
    speakers: int = 1
    sizes: tuple[str, ...] = ("10%", "100%")
    nfes: tuple[int, ...] = (1, 4)
    metrics: tuple[str, ...] = DEFAULT_METRICS
    method_names: dict[str, str] = field(default_factory=dict)
    missing_reason: str = "the recogniser crashed"
    utterance_prefix: str = "utt/"
    transcript: str = "please enter your number"
    unfinished: int = 0
    subsets: dict[str, int] = field(default_factory=dict)
    codecs: tuple[CodecFacts, ...] = field(default_factory=lambda: (codec(),))
    layers: tuple[int, ...] = ()  # the anchor `codec` from the first n codes
    opus: tuple[int, ...] = ()  # bit rates
    methods: dict[str, float] = field(default_factory=lambda: dict(METHODS))
    # (system, codec, its number of codes decoded) -> what to add to the system's quality
    effect: Callable[[str, CodecFacts, int], float] = lambda system, codec, count: 0.0
    seeds: tuple[int, ...] = (0,)
    checkpoints: tuple[Checkpoint, ...] = ("last",)
    method_layers: tuple[int, ...] = ()  # of the layered methods; none means all N
    untrained: tuple[str, ...] = ("requantized",)
    trial_changes: dict[str, dict[str, Any]] = field(default_factory=dict)  # by method
    # (system, metric) -> what to add to the system's quality in that metric alone
    tilt: Callable[[str, str], float] = lambda system, metric: 0.0
