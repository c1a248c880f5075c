"""The metrics against a reference: what `prepare` holds, the loops behind ViSQOL, bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from metrics import visqol_alignment, visqol_kernels
from metrics.base import MetricError, MetricUnavailable, Samples, Utterance
from metrics.visqol_lattice import VisqolLattice

if TYPE_CHECKING:
    from conftest import Lab

VISQOL = [pytest.param(name, marks=pytest.mark.slow) for name in ("visqol", "visqol_lattice")]
PREPARING = ["stoi", "estoi", "speaker_similarity", *VISQOL]


@pytest.mark.parametrize("name", PREPARING)
def test_one_preparation_serves_every_estimate(name: str, clip: Samples, lab: Lab) -> None:
    metric = lab.load(name)
    prepared = metric.prepare(clip)
    before = {key: array.copy() for key, array in prepared.items()}
    for snr in (20, 5):
        estimate = lab.noisy(clip, snr)
        assert metric.score(Utterance("u", clip, estimate, prepared)) == lab.score(
            name, clip, estimate
        )
    assert before.keys() == prepared.keys()
    assert all(np.array_equal(before[key], prepared[key]) for key in before)


@pytest.mark.parametrize("name", PREPARING)
def test_what_is_prepared_is_small_and_survives_the_disk(
    name: str, clip: Samples, lab: Lab, tmp_path: Any
) -> None:
    metric, estimate = lab.load(name), lab.noisy(clip, 10)
    prepared = metric.prepare(clip)
    assert sum(array.nbytes for array in prepared.values()) < clip.nbytes / 4
    np.savez(tmp_path / "prepared.npz", **prepared)
    with np.load(tmp_path / "prepared.npz") as stored:
        again = Utterance("u", clip, estimate, {key: stored[key] for key in stored})
    assert metric.score(again) == metric.score(Utterance("u", clip, estimate, prepared))


@pytest.mark.parametrize("name", PREPARING)
def test_a_reference_that_cannot_be_scored_against_is_refused(
    name: str, clip: Samples, lab: Lab
) -> None:
    metric = lab.load(name)
    with pytest.raises(MetricError, match="reference is digital silence"):
        metric.prepare(np.zeros_like(clip))
    with pytest.raises(MetricError, match=r"reference is .* too short"):
        metric.prepare(clip[:1600])


def test_an_estimate_that_is_silent_in_places_has_an_estoi(clip: Samples, lab: Lab) -> None:
    estimate = clip.copy()
    estimate[20_000:40_000] = 0
    assert 0 < lab.score("estoi", clip, estimate).value < lab.score("estoi", clip, clip).value


def test_narrowband_pesq_of_the_reference_itself_is_its_bound(clip: Samples, lab: Lab) -> None:
    import soxr

    narrow = soxr.resample(clip, 16_000, 8_000)
    assert lab.score("pesq_nb", narrow, narrow.copy()).value == pytest.approx(4.549, abs=1e-3)


@pytest.mark.slow
def test_noise_takes_the_lattice_mapping_to_its_floor(clip: Samples, lab: Lab) -> None:
    values = [lab.score("visqol_lattice", clip, lab.noisy(clip, snr)).value for snr in (60, 45, 30)]
    assert values[0] > values[1] > values[2] >= 1.0
    assert lab.score("visqol_lattice", clip, lab.noisy(clip, 0)).value == 1.0


@pytest.mark.parametrize("ahead", [-3001, -1, 0, 1, 777, 4000])
def test_the_lag_is_found_and_undone(ahead: int, clip: Samples) -> None:
    import scipy.fft

    # 15_992 is 8 * 1999: a length with a large prime factor.
    reference = clip[16_000 : 16_000 + 15_992].astype(np.float64)
    estimate = clip[16_000 + ahead : 16_000 + ahead + 15_992].astype(np.float64)
    lag = int(visqol_alignment.lags(scipy.fft, reference[None], estimate[None])[0])
    assert lag == ahead
    moved = visqol_alignment.shifted(estimate, lag)
    size = min(moved.size, reference.size)
    same = slice(max(0, ahead), size)
    assert np.array_equal(moved[same], reference[same])


def test_silence_and_a_lag_beyond_half_are_left_where_they_are() -> None:
    import scipy.fft

    reference = np.random.default_rng(0).normal(0, 0.1, (1, 16_000))
    far = np.concatenate([reference[:, 9_000:], np.zeros((1, 9_000))], axis=1)
    for estimate in (np.zeros_like(reference), far):
        assert visqol_alignment.lags(scipy.fft, reference, estimate)[0] == 0


@pytest.mark.slow
def test_the_compiled_loops_are_the_packages(clip: Samples, lab: Lab) -> None:
    from visqol import numba_accel as package
    from visqol.nsim import GAUSSIAN_WINDOW

    rng = np.random.default_rng(0)
    reference = rng.gamma(2.0, 8.0, (21, 160))
    estimate = np.maximum(reference + rng.normal(0, 4, reference.shape), 0)
    estimate[:, 60:75] = 0
    places = np.arange(9, 140, 20)
    patches = np.stack([reference[:, place : place + 20] for place in places])
    weights, constants, radius = GAUSSIAN_WINDOW, (package._C1, package._C3), 50
    expected = package._dp_forward_pass(
        patches,
        package._build_all_deg_patches(estimate, 21, 20),
        places,
        len(places),
        160,
        radius,
        weights,
        *constants,
    )
    kernels = visqol_kernels.compiled()
    padded = np.pad(estimate, ((0, 0), (0, 19)))
    similarity = kernels.patch_similarities(
        patches,
        places,
        padded,
        kernels.local_statistics(padded, weights),
        radius,
        weights,
        constants,
    )
    assert np.array_equal(similarity[0], expected[0][0])
    offsets, _ = kernels.best_offsets(similarity, places, radius)
    best = package._dp_backtrace(*expected, places, len(places), 160, radius)
    assert np.array_equal(offsets, best)


def test_the_lattice_without_its_runtime_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("metrics.visqol_lattice._RUNTIME", {"no-such-runtime-of-resynth": "2.3.0"})
    with pytest.raises(MetricUnavailable, match=r"pip install no-such-runtime-of-resynth==2\.3\.0"):
        VisqolLattice().mapper()
