"""On real speech: bounds are reached, noise moves every metric its way, nothing leaks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metrics.base import NotApplicable, Samples
from metrics.registry import discover

if TYPE_CHECKING:
    from conftest import Lab, Speech

SLOW = {"visqol", "visqol_lattice"}  # its kernels take seconds to compile on a machine's first run
# Latent and cost metrics do not look at audio (tests/metrics/test_signal_metrics.py).
HEARD = [n for n, m in discover().items() if m.facts.kind not in ("latent", "cost")]
ALL = [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in HEARD]
SIGNAL = [p for p in ALL if p not in ("wer", "cer", "dwer")]


@pytest.mark.parametrize(
    ("name", "bound", "tolerance"),
    [
        ("si_snr", math.inf, 0),
        ("estoi", 1.0, 1e-9),
        ("pesq", 4.644, 1e-3),
        pytest.param("visqol", 5.0, 5e-3, marks=pytest.mark.slow),
        ("dwer", 0.0, 0),
        ("speaker_similarity", 1.0, 0),
    ],
)
def test_the_reference_itself_reaches_the_bound(
    name: str, bound: float, tolerance: float, clip: Samples, lab: Lab
) -> None:
    value = lab.score(name, clip, clip.copy()).value
    assert value == bound or abs(value - bound) <= tolerance


# The lattice wavers near its floor (1.05, 1.38, 1.0 here): tests/metrics/test_reference_metrics.py.
@pytest.mark.parametrize("name", [p for p in SIGNAL if "visqol_lattice" not in str(p)])
def test_more_noise_is_worse_and_within_the_bounds(name: str, clip: Samples, lab: Lab) -> None:
    facts = lab.load(name).facts
    values = [lab.score(name, clip, lab.noisy(clip, snr)).value for snr in (30, 15, 0)]
    if facts.predicted:
        values = values[::2]  # a network's guess need not follow every step
    assert values == sorted(values, reverse=facts.higher_is_better)
    assert len(set(values)) == len(values)
    for value in values:
        assert facts.lower_bound is None or value >= facts.lower_bound
        assert facts.upper_bound is None or value <= facts.upper_bound


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wer", "cer", "dwer"])
def test_more_noise_is_more_word_errors(name: str, speech: list[Speech], lab: Lab) -> None:
    totals = []
    for snr in (60, 0, -10):
        scores = [
            lab.score(name, s.samples, lab.noisy(s.samples, snr), s.transcript) for s in speech
        ]
        assert all(s.errors is not None and s.words for s in scores)
        assert all(s.value == s.errors / s.words for s in scores)
        totals.append(sum(s.errors for s in scores))
    assert totals[0] < totals[1] < totals[2]


@pytest.mark.slow
def test_clean_speech_is_read(speech: list[Speech], lab: Lab) -> None:
    scores = [lab.score("wer", s.samples, s.samples, s.transcript) for s in speech]
    assert sum(s.errors for s in scores) < 0.15 * sum(s.words for s in scores)
    assert all(s.text for s in scores)


def test_another_speaker_is_less_similar(
    speech: list[Speech], clip: Samples, stranger: Samples, lab: Lab
) -> None:
    size = min(clip.size, stranger.size)
    again = speech[-1].samples[:size]
    within = lab.score("speaker_similarity", clip[: again.size], again).value
    across = lab.score("speaker_similarity", clip[:size], stranger[:size]).value
    assert within > across + 0.1


@pytest.mark.parametrize("name", ALL)
def test_deterministic_in_any_order_and_no_global_state_moves(
    name: str, clip: Samples, lab: Lab
) -> None:
    import torch

    half = clip[: clip.size // 2]
    pairs = [(clip, lab.noisy(clip, 10)), (half, lab.noisy(half, 5)), (clip, lab.noisy(clip, 20))]
    np.random.seed(7)
    first = [lab.score(name, *pair) for pair in pairs]
    fresh = type(lab)()
    fresh.load(name)
    np.random.seed(8)
    numpy_before, torch_before = np.random.get_state(), torch.get_rng_state()
    again = [fresh.score(name, *pair) for pair in reversed(pairs)]
    assert first == again[::-1]
    after = np.random.get_state()
    assert all(np.array_equal(a, b) for a, b in zip(numpy_before, after, strict=True))
    assert torch.equal(torch_before, torch.get_rng_state())


@pytest.mark.parametrize("name", ALL)
def test_the_arrays_are_left_as_they_were(name: str, clip: Samples, lab: Lab) -> None:
    reference, estimate = clip.copy(), lab.noisy(clip, 10)
    before = estimate.copy()
    lab.score(name, reference, estimate)
    assert np.array_equal(reference, clip)
    assert np.array_equal(estimate, before)


@pytest.mark.parametrize("transcript", [None, "", "[laughter]", "hmm"])
def test_wer_needs_words_in_the_transcript(transcript: str | None, clip: Samples, lab: Lab) -> None:
    with pytest.raises(NotApplicable, match="transcript"):
        lab.score("wer", clip, clip, transcript)


def test_dwer_needs_words_in_the_reference(clip: Samples, lab: Lab) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.1, clip.size).astype(np.float32)
    with pytest.raises(NotApplicable, match="no words in the reference"):
        lab.score("dwer", hiss, clip)


def test_wer_and_dwer_share_one_reading(clip: Samples, lab: Lab) -> None:
    estimate = lab.noisy(clip, 20)
    text = lab.score("wer", clip, estimate).text
    # A second reading would be another object.
    assert lab.score("dwer", clip, estimate.copy()).text is text
