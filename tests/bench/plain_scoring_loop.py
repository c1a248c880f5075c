"""The scoring loop that people write: every official package called for every pair, in one process.

    python plain_scoring_loop.py MANIFEST METRIC,METRIC,... [VERSA]

MANIFEST holds lines "reference<TAB>estimate". Prints JSON: the seconds after a warm-up on the first
pair, each metric's share, and its mean score. `VERSA` is a checkout of VERSA, whose own functions
then take the packages' place where it has them.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from metrics.stand_in import without_torchaudio

RATE = 16_000
Call = Callable[[np.ndarray, np.ndarray], float]


def si_snr(reference: np.ndarray, estimate: np.ndarray) -> float:
    s, e = reference.astype(float), estimate.astype(float)
    s, e = s - s.mean(), e - e.mean()
    target = (e @ s) / (s @ s) * s
    return float(10 * np.log10((target @ target) / ((e - target) @ (e - target))))


def pesq_call() -> Call:
    from pesq import pesq

    return lambda reference, estimate: float(pesq(RATE, reference, estimate, "wb"))


def estoi_call() -> Call:
    from pystoi import stoi

    return lambda reference, estimate: float(stoi(reference, estimate, RATE, extended=True))


def visqol_call() -> Call:
    from visqol.audio_utils import AudioSignal
    from visqol.visqol_manager import VisqolManager

    manager = VisqolManager()
    manager.init(use_speech_mode=True, use_lattice_model=False)

    def score(reference: np.ndarray, estimate: np.ndarray) -> float:
        pair = (AudioSignal(side, RATE) for side in (reference, estimate))
        return float(manager.run_from_signals(*pair).moslqo)

    return score


def speaker_call() -> Call:
    from resemblyzer import VoiceEncoder, preprocess_wav

    encoder = VoiceEncoder("cpu", verbose=False)

    def score(reference: np.ndarray, estimate: np.ndarray) -> float:
        one, two = (encoder.embed_utterance(preprocess_wav(x)) for x in (reference, estimate))
        return float(one @ two)

    return score


CALLS: dict[str, Callable[[], Call]] = {
    "si_snr": lambda: si_snr,
    "pesq": pesq_call,
    "estoi": estoi_call,
    "visqol": visqol_call,
    "speaker_similarity": speaker_call,
}


def versa_calls(checkout: str) -> dict[str, Callable[[], Call]]:
    """Return what VERSA scores by itself and installs with one command: PESQ and ESTOI."""
    without_torchaudio()
    sys.path.insert(0, checkout)
    pesq = importlib.import_module("versa.utterance_metrics.pesq_score").PesqMetric()
    stoi = importlib.import_module("versa.utterance_metrics.stoi")
    rate = {"sample_rate": RATE}
    return {
        "pesq": lambda: lambda r, e: float(pesq.compute(e, r, rate)["pesq"]),
        "estoi": lambda: lambda r, e: float(stoi.estoi_metric(e, r, RATE)["estoi"]),
    }


def main() -> None:
    pairs = [line.split("\t") for line in Path(sys.argv[1]).read_text().splitlines()]
    made = CALLS | (versa_calls(sys.argv[3]) if len(sys.argv) > 3 else {})
    calls = {name: made[name]() for name in sys.argv[2].split(",")}
    spent = dict.fromkeys(calls, 0.0)
    total = dict.fromkeys(calls, 0.0)
    started = 0.0
    for number, (reference, estimate) in enumerate([pairs[0], *pairs]):
        if number == 1:  # the first pair warms up
            spent, total = dict.fromkeys(calls, 0.0), dict.fromkeys(calls, 0.0)
            started = time.perf_counter()
        sides = [soundfile.read(path, dtype="float32")[0] for path in (reference, estimate)]
        for name, call in calls.items():
            before = time.perf_counter()
            total[name] += call(*sides)
            spent[name] += time.perf_counter() - before
    seconds = time.perf_counter() - started
    means = {name: value / len(pairs) for name, value in total.items()}
    print(json.dumps({"seconds": seconds, "spent": spent, "means": means}))


if __name__ == "__main__":
    main()
