"""The metrics against a reference give the values of the field's own packages, and Google's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from real_speech import SHARED, voices

from metrics.base import Metric, Samples
from metrics.estoi import Estoi
from metrics.pesq import Pesq
from metrics.pesq_nb import PesqNarrowband
from metrics.speaker_similarity import SpeakerSimilarity
from metrics.stoi import Stoi
from metrics.visqol import Visqol
from metrics.visqol_core import SpeechVisqol
from metrics.visqol_lattice import VisqolLattice

RATE = 16_000
# ViSQOL's published conformance values, speech mode: exponential and lattice mapping.
GOOGLE = {Visqol: 3.3745, VisqolLattice: 3.3129}


@pytest.fixture(scope="module")
def clips() -> list[Samples]:
    """Speech (T,) at 16 kHz of unseen voices, at most 6 s each, of lengths as they come."""
    return [samples[: 6 * RATE] for samples in voices()[::12][:6]]


def _pairs(clips: list[Samples]) -> Iterator[tuple[Samples, Samples]]:
    """Noise, a lost stretch, a delay, wandering time, a quiet copy, and another voice's speech."""
    rng = np.random.default_rng(0)
    for clip in clips:
        time = np.arange(clip.size)
        lost = clip.copy()
        lost[clip.size // 3 : clip.size // 3 + 9000] = 0
        wandering = np.interp(time + 40 * np.sin(time / 4000), time, clip)
        for estimate in (clip + rng.normal(0, 0.01, clip.size), lost, wandering):
            yield clip, np.ascontiguousarray(estimate, dtype=np.float32)
    yield clips[0], np.concatenate([np.zeros(700, np.float32), clips[0][:-700]])
    yield clips[1], np.concatenate([clips[1][300:], np.zeros(300, np.float32)])
    yield clips[2], clips[2] * np.float32(1e-3)
    size = min(clips[0].size, clips[3].size)
    yield clips[0][:size].copy(), clips[3][:size].copy()


@pytest.mark.parametrize(("kind", "mode"), [(Pesq, "wb"), (PesqNarrowband, "nb")])
def test_pesq_is_the_package(kind: type[Metric], mode: str, clips: list[Samples]) -> None:
    import pesq
    import soxr

    metric = _loaded(kind)
    for clip, estimate in list(_pairs(clips))[:6]:
        sides = [soxr.resample(x, RATE, metric.facts.sample_rate) for x in (clip, estimate)]
        assert _value(metric, *sides) == pesq.pesq(metric.facts.sample_rate, *sides, mode)


@pytest.mark.parametrize(("kind", "extended"), [(Estoi, True), (Stoi, False)])
def test_stoi_is_pystoi(kind: type[Metric], extended: bool, clips: list[Samples]) -> None:
    import pystoi

    metric = _loaded(kind)
    for clip, estimate in _pairs(clips):
        if extended and np.mean(estimate == 0) > 0.05:
            continue  # the lost stretch, where pystoi's ESTOI is random: below
        direct = pystoi.stoi(clip.astype(float), estimate.astype(float), RATE, extended=extended)
        assert _value(metric, clip, estimate) == pytest.approx(direct, abs=1e-9)


def test_estoi_of_silence_is_the_middle_of_pystois_random_values(clips: list[Samples]) -> None:
    import pystoi

    metric = _loaded(Estoi)
    clip, lost = list(_pairs(clips))[1]
    state = np.random.get_state()
    values = []
    for seed in range(12):
        np.random.seed(seed)
        values.append(pystoi.stoi(clip.astype(float), lost.astype(float), RATE, extended=True))
    np.random.set_state(state)
    assert np.std(values) > 1e-5
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(_value(metric, clip, lost) - np.mean(values)) < 4 * error


def test_speaker_similarity_is_the_package(clips: list[Samples]) -> None:
    metric = _loaded(SpeakerSimilarity)
    import resemblyzer

    encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)
    for clip, estimate in list(_pairs(clips))[::2]:
        one, two = (
            encoder.embed_utterance(resemblyzer.preprocess_wav(side, RATE))
            for side in (clip, estimate)
        )
        assert _value(metric, clip, estimate) == pytest.approx(float(one @ two), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Visqol, VisqolLattice])
def test_visqol_is_the_package_bit_for_bit(kind: type[SpeechVisqol], clips: list[Samples]) -> None:
    from visqol.audio_utils import AudioSignal
    from visqol.visqol_manager import VisqolManager

    metric, manager = _loaded(kind), VisqolManager()
    manager.init(use_speech_mode=True, use_lattice_model=kind is VisqolLattice)
    for clip, estimate in _pairs(clips):
        direct = manager.run_from_signals(AudioSignal(clip, RATE), AudioSignal(estimate, RATE))
        assert _value(metric, clip, estimate) == direct.moslqo


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Visqol, VisqolLattice])
def test_visqol_conforms_to_googles(kind: type[SpeechVisqol]) -> None:
    soundfile = pytest.importorskip("soundfile")
    folder = SHARED / "conformance/visqol"
    if not folder.is_dir():
        pytest.skip("ViSQOL's conformance pair is not beside the repository")
    names = ("CA01_01.wav", "transcoded_CA01_01.wav")
    sides = [soundfile.read(folder / name, dtype="float32") for name in names]

    class AtTheirRate(kind):  # type: ignore[valid-type, misc]
        facts = replace(kind.facts, sample_rate=sides[0][1])

    value = _value(_loaded(AtTheirRate), sides[0][0], sides[1][0])
    assert value == pytest.approx(GOOGLE[kind], abs=0.005)


def _loaded(kind: type[Metric]) -> Metric:
    if issubclass(kind, VisqolLattice):
        pytest.importorskip("ai_edge_litert")
    metric = kind()
    metric.load()
    return metric


def _value(metric: Metric, reference: Samples, estimate: Samples) -> float:
    return metric.compare(reference, estimate).value
