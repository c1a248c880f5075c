"""What each signal, latent and cost metric sees, and what it does not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metrics.base import LatentMatch, Made, MetricError, NotApplicable, Samples, Score, Utterance
from metrics.registry import get

if TYPE_CHECKING:
    from conftest import Lab

RATE = 16_000
DISTANCES = (
    "log_f0_rmse",
    "log_spectral_distance",
    "mel_cepstral_distortion",
    "mel_distance",
    "voicing_error",
)


@pytest.mark.parametrize("name", DISTANCES)
def test_the_reference_itself_is_at_no_distance(name: str, clip: Samples, lab: Lab) -> None:
    assert lab.load(name).facts.lower_bound == 0
    assert lab.score(name, clip, clip.copy()).value == 0


def test_snr_of_the_reference_itself_is_infinite_and_unbounded(clip: Samples, lab: Lab) -> None:
    assert lab.score("snr", clip, clip.copy()).value == math.inf
    assert lab.load("snr").facts.upper_bound is None


@pytest.mark.parametrize(("gain", "decibels"), [(0.5, 6.0206), (2.0, 0.0), (-1.0, -6.0206)])
def test_snr_counts_gain_and_sign(gain: float, decibels: float, clip: Samples, lab: Lab) -> None:
    value = lab.score("snr", clip, clip * np.float32(gain)).value
    assert value == pytest.approx(decibels, abs=1e-4)


def test_a_gain_of_ten_is_20_db_in_spectra_and_nothing_in_cepstra(lab: Lab) -> None:
    # Noise well above every floor.
    quiet = np.random.default_rng(1).normal(0, 0.02, RATE).astype(np.float32)
    loud = quiet * np.float32(10)
    assert lab.score("log_spectral_distance", quiet, loud).value == pytest.approx(20, abs=1e-3)
    assert lab.score("mel_distance", quiet, loud).value == pytest.approx(7, abs=1e-3)
    assert lab.score("mel_cepstral_distortion", quiet, loud).value < 1e-3


def test_mel_cepstral_distortion_pays_for_delay(clip: Samples, lab: Lab) -> None:
    values = [
        lab.score("mel_cepstral_distortion", clip, np.roll(clip, delay)).value
        for delay in (0, 160, 800)
    ]
    assert values[0] < values[1] < values[2]


def test_log_f0_rmse_is_the_interval(lab: Lab) -> None:
    value = lab.score("log_f0_rmse", voice(200), voice(220)).value
    assert value == pytest.approx(math.log(1.1), rel=1e-2)
    assert lab.score("voicing_error", voice(200), voice(220)).value < 0.02


def test_voicing_error_is_the_share_devoiced(lab: Lab) -> None:
    whole = voice(150)
    half = whole.copy()
    half[RATE:] = np.random.default_rng(2).normal(0, 0.1, RATE)
    assert lab.score("voicing_error", whole, half).value == pytest.approx(0.5, abs=0.03)
    # The frames around the change are the error there is.
    assert lab.score("log_f0_rmse", whole, half).value < 0.05


def test_log_f0_rmse_needs_a_frame_voiced_on_both_sides(lab: Lab) -> None:
    half, hiss = voice(150), np.random.default_rng(3).normal(0, 0.1, 2 * RATE).astype(np.float32)
    with pytest.raises(MetricError, match="no frame is voiced on both sides"):
        lab.score("log_f0_rmse", half, hiss)


@pytest.mark.parametrize("name", [*DISTANCES, "snr"])
def test_a_silent_stretch_is_scored_alike_each_time(name: str, clip: Samples, lab: Lab) -> None:
    gap = clip.copy()
    gap[RATE : 2 * RATE] = 0
    first = lab.score(name, gap, clip)
    lab.score(name, clip, lab.noisy(clip, 20))
    assert math.isfinite(first.value)
    assert lab.score(name, gap, clip) == first


@pytest.mark.parametrize("name", DISTANCES)
def test_what_is_prepared_is_numeric_arrays(name: str, clip: Samples, lab: Lab) -> None:
    for array in lab.load(name).prepare(clip).values():
        assert array.dtype.kind in "fb" and array.size and np.isfinite(array).all()


@pytest.mark.parametrize(
    ("name", "latent", "value"),
    [
        ("latent_error", LatentMatch(2.0, 8.0), 0.25),
        ("latent_error", LatentMatch(0.0, 8.0, 3, 4), 0.0),
        ("token_accuracy", LatentMatch(2.0, 8.0, 3, 4), 0.75),
        ("token_accuracy", LatentMatch(2.0, 0.0, 0, 4), 0.0),
        ("real_time_factor", None, 0.5),
    ],
)
def test_what_was_measured_at_synthesis(
    name: str, latent: LatentMatch | None, value: float
) -> None:
    assert measured(name, Made(2.0, 4.0, latent)) == Score(value)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("latent_error", None),
        ("latent_error", Made(2.0, 4.0, None)),
        ("token_accuracy", None),
        ("token_accuracy", Made(2.0, 4.0, None)),
        ("token_accuracy", Made(2.0, 4.0, LatentMatch(2.0, 8.0))),
        ("real_time_factor", None),
    ],
)
def test_what_was_not_measured_does_not_apply(name: str, made: Made | None) -> None:
    with pytest.raises(NotApplicable):
        measured(name, made)


@pytest.mark.parametrize(
    ("name", "made", "reason"),
    [
        ("latent_error", Made(2.0, 4.0, LatentMatch(2.0, 0.0)), "energy of 0.0"),
        ("latent_error", Made(2.0, 4.0, LatentMatch(math.nan, 8.0)), "error is nan"),
        ("latent_error", Made(2.0, 4.0, LatentMatch(math.inf, 8.0)), "error is inf"),
        ("token_accuracy", Made(2.0, 4.0, LatentMatch(2.0, 8.0, 0, 0)), "0 of 0"),
        ("token_accuracy", Made(2.0, 4.0, LatentMatch(2.0, 8.0, 5, 4)), "5 of 4"),
        ("real_time_factor", Made(2.0, 0.0, None), r"lasts 0\.0 s"),
        ("real_time_factor", Made(math.nan, 4.0, None), "took nan s"),
    ],
)
def test_impossible_numbers_are_no_score(name: str, made: Made, reason: str) -> None:
    with pytest.raises(MetricError, match=reason):
        measured(name, made)


def measured(name: str, made: Made | None) -> Score:
    """Score a synthesis record alone: there is no audio to look at."""
    metric, nothing = get(name)(), np.zeros(0, dtype=np.float32)
    metric.load()
    return metric.score(Utterance("u", nothing, nothing, metric.prepare(nothing), made=made))


def voice(f0: float) -> Samples:
    """Two seconds of a buzz at `f0` Hz with a falling spectrum, shape (32000,)."""
    time = np.arange(2 * RATE) / RATE
    harmonics = np.arange(1, int(4000 / f0))[:, None]
    buzz = (np.sin(2 * np.pi * f0 * harmonics * time) / harmonics).sum(axis=0)
    return (0.1 * buzz).astype(np.float32)
