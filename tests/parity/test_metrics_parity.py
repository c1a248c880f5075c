"""The metrics' values are those of the field's own packages, or of the equation itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from real_speech import told_speech

from metrics.base import Metric, Samples, Utterance
from metrics.registry import get

SHARED = Path(__file__).resolve().parents[2] / "../shared"
RATE = 16_000


@pytest.fixture(scope="module")
def clips() -> list[Samples]:
    """Speech (T,) at 16 kHz, at most 4 s each."""
    return [speech.samples[: 4 * RATE] for speech in told_speech()]


@pytest.mark.slow
def test_dnsmos_is_the_package(clips: list[Samples]) -> None:
    from speechmos import dnsmos

    metric = _loaded("dnsmos")
    # 5 s is doubled there and looped here to the same window; 11 s is the mean of two windows.
    for seconds in (5, 11):
        clip = np.concatenate(clips)[: seconds * RATE]
        direct = dnsmos.run(clip, RATE)["ovrl_mos"]
        assert _value(metric, clip, clip) == pytest.approx(direct, abs=1e-4)


def test_si_snr_is_torchmetrics(clips: list[Samples]) -> None:
    import torch
    from torchmetrics.functional.audio import scale_invariant_signal_noise_ratio as si_snr

    metric = _loaded("si_snr")
    for clip, estimate in _pairs(clips):
        sides = (torch.from_numpy(side.astype(float)) for side in (estimate, clip))
        assert _value(metric, clip, estimate) == pytest.approx(float(si_snr(*sides)), abs=1e-6)


def test_si_snr_is_the_projection(clips: list[Samples]) -> None:
    # Independent of the implementation: the correlation's cosine, SI-SNR = 10 log10 r^2/(1 - r^2).
    metric = _loaded("si_snr")
    for clip, estimate in _pairs(clips):
        r = np.corrcoef(clip.astype(float), estimate.astype(float))[0, 1]
        expected = 10 * np.log10(r**2 / (1 - r**2))
        assert _value(metric, clip, estimate) == pytest.approx(expected, abs=1e-6)
        assert _value(metric, clip, estimate * np.float32(0.5)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_wer_is_jiwer_on_whispers_normaliser(clips: list[Samples]) -> None:
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

    metric, normalise = _loaded("wer"), EnglishTextNormalizer()
    transcript = "He hoped there'd be stew for dinner, twenty-five turnips and no colour."
    for clip in clips:
        score = metric.score(Utterance("u", clip, clip, transcript=transcript))
        assert score.text
        expected = jiwer.wer(normalise(transcript).strip(), normalise(score.text).strip())
        assert score.value == expected


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Mr. Smith won't pay twenty-five dollars", "mister smith will not pay $25"),
        ("the colour, um, of [noise] it", "the color of it"),
        ("dunno, 'cause it's kinda late", "dunno cause it is kinda late"),
    ],
)
def test_the_normaliser_has_openais_rules_and_no_others(text: str, normal: str) -> None:
    from whisper_normalizer.english import EnglishTextNormalizer

    assert EnglishTextNormalizer()(text).strip() == normal


def _loaded(name: str) -> Metric:
    metric = get(name)()
    metric.load()
    return metric


def _value(metric: Metric, reference: Samples, estimate: Samples) -> float:
    return metric.compare(reference, estimate).value


def _pairs(clips: list[Samples]) -> list[tuple[Samples, Samples]]:
    rng = np.random.default_rng(0)
    return [(c, (c + rng.normal(0, 0.01, c.size)).astype(np.float32)) for c in clips]
