"""Signal metrics against second implementations: torch, librosa, pyworld, and by quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from real_speech import LIBRISPEECH, told_speech

from metrics import world
from metrics.base import Metric, Samples
from metrics.mel_cepstral_distortion import mel_cepstral_basis
from metrics.registry import get
from metrics.spectra import mel_filters, stft_magnitude

RATE = 16_000
WINDOWS = [32, 64, 128, 256, 512, 1024, 2048]
BANDS = [5, 10, 20, 40, 80, 160, 320]


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Samples, Samples]]:
    """Real speech (T,) at 16 kHz, at most 4 s each, with white noise of two levels beside it."""
    rng = np.random.default_rng(0)
    clips = [speech.samples[: 4 * RATE] for speech in told_speech()]
    return [
        (clip, (clip + rng.normal(0, deviation, clip.size)).astype(np.float32))
        for clip in clips
        for deviation in (0.0003, 0.01)
    ]


def test_snr_is_torchs_arithmetic(pairs: list[tuple[Samples, Samples]]) -> None:
    import torch

    for clip, estimate in pairs:
        target, noise = torch.tensor(clip).double(), torch.tensor(clip - estimate).double()
        direct = 20 * torch.log10(torch.linalg.norm(target) / torch.linalg.norm(noise))
        assert _value("snr", clip, estimate) == pytest.approx(float(direct), abs=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_spectra_are_librosas(window: int, pairs: list[tuple[Samples, Samples]]) -> None:
    import librosa

    clip = pairs[0][0].astype(np.float64)
    hop = window // 4
    expected = np.abs(librosa.stft(clip, n_fft=window, hop_length=hop, pad_mode="reflect"))
    found = stft_magnitude(pairs[0][0], window, hop)
    np.testing.assert_allclose(found, expected.T, atol=1e-10)


@pytest.mark.parametrize(("window", "bands"), list(zip(WINDOWS, BANDS, strict=True)))
def test_mel_filters_are_librosas(window: int, bands: int) -> None:
    import librosa

    expected = librosa.filters.mel(sr=RATE, n_fft=window, n_mels=bands, dtype=np.float64)
    np.testing.assert_allclose(mel_filters(RATE, window, bands), expected, atol=1e-14)


def test_mel_distance_is_the_papers(pairs: list[tuple[Samples, Samples]]) -> None:
    """DAC's configuration, computed by torch and librosa in single precision, as its loss is."""
    for clip, estimate in pairs:
        scales = zip(WINDOWS, BANDS, strict=True)
        direct = sum(_mel_l1(clip, estimate, window, bands) for window, bands in scales)
        assert _value("mel_distance", clip, estimate) == pytest.approx(direct, rel=1e-4)


def _mel_l1(clip: Samples, estimate: Samples, window: int, bands: int) -> float:
    import librosa
    import torch

    basis = torch.tensor(librosa.filters.mel(sr=RATE, n_fft=window, n_mels=bands))
    hann = torch.hann_window(window)
    logs = [
        (
            basis
            @ torch.stft(
                torch.tensor(side), window, window // 4, window=hann, return_complex=True
            ).abs()
        )
        .clamp(1e-5)
        .log10()
        for side in (clip, estimate)
    ]
    return float(torch.nn.functional.l1_loss(*logs))


def test_log_spectral_distance_is_ten_times_the_log10_one(
    pairs: list[tuple[Samples, Samples]],
) -> None:
    import torch

    hann = torch.hann_window(2048, dtype=torch.float64)
    for clip, estimate in pairs:
        one, two = (
            torch.stft(torch.tensor(side).double(), 2048, 512, window=hann, return_complex=True)
            .abs()
            .square()
            .clamp(1e-8)
            .log10()
            for side in (clip, estimate)
        )
        direct = 10 * float((one - two).square().mean(dim=0).sqrt().mean())
        assert _value("log_spectral_distance", clip, estimate) == pytest.approx(direct, rel=1e-6)


def test_mel_cepstra_are_the_warped_log_spectrums_cosines(
    pairs: list[tuple[Samples, Samples]],
) -> None:
    """c_m = 2/pi times the integral of log|H| cos(m w) over warped frequency w, by quadrature."""
    log_power = np.log(world.envelope(pairs[0][0]))[::50]
    grid = (np.arange(8192) + 0.5) * np.pi / 8192
    # The frequency that alpha = 0.42 warps to `grid`: the all-pass's phase, inverted.
    linear = grid - 2 * np.arctan(0.42 * np.sin(grid) / (1 + 0.42 * np.cos(grid)))
    cepstra = np.fft.irfft(log_power)[:, :513] * np.r_[1, np.full(511, 2), 1]
    warped = 0.5 * cepstra @ np.cos(np.outer(np.arange(513), linear))
    expected = 2 * warped @ np.cos(np.outer(grid, np.arange(1, 24))) / grid.size
    np.testing.assert_allclose(log_power @ mel_cepstral_basis(), expected, atol=1e-8)


def test_mel_cepstral_distortion_is_kubicheks(pairs: list[tuple[Samples, Samples]]) -> None:
    basis = mel_cepstral_basis()
    for clip, estimate in pairs:
        one, two = (np.log(world.envelope(side)) @ basis for side in (clip, estimate))
        frames = [10 / np.log(10) * np.sqrt(2 * (d @ d)) for d in one - two]
        assert _value("mel_cepstral_distortion", clip, estimate) == pytest.approx(np.mean(frames))


def test_f0_and_voicing_are_pyworlds(pairs: list[tuple[Samples, Samples]]) -> None:
    """WORLD's own defaults: DIO from 71 to 800 Hz every 5 ms, then StoneMask."""
    import pyworld

    for clip, estimate in pairs:
        tracks = []
        for side in (clip.astype(float), estimate.astype(float)):
            rough, times = pyworld.dio(side, RATE)
            tracks.append(pyworld.stonemask(side, rough, times, RATE))
        one, two = tracks
        both = (one > 0) & (two > 0)
        rmse = np.sqrt(np.mean((np.log(one[both]) - np.log(two[both])) ** 2))
        assert _value("log_f0_rmse", clip, estimate) == pytest.approx(rmse, abs=1e-12)
        assert _value("voicing_error", clip, estimate) == np.mean((one > 0) ^ (two > 0))


# What the reference code gave for the first pair here: descript-audiotools 0.7.2's
# MelSpectrogramLoss as configured in DAC's conf/base.yml, and pysptk 1.0.1's sp2mc (order 23,
# alpha 0.42) of the same envelopes in the formula of ESPnet's evaluate_mcd.py.
@pytest.mark.skipif(not LIBRISPEECH.is_dir(), reason="the values are of LibriSpeech")
@pytest.mark.parametrize(
    ("name", "value"),
    [("mel_distance", 0.39512134), ("mel_cepstral_distortion", 2.4901990536815672)],
)
def test_the_reference_codes_values(
    name: str, value: float, pairs: list[tuple[Samples, Samples]]
) -> None:
    assert _value(name, *pairs[0]) == pytest.approx(value, rel=1e-6)


_LOADED: dict[str, Metric] = {}


def _value(name: str, reference: Samples, estimate: Samples) -> float:
    if name not in _LOADED:
        _LOADED[name] = get(name)()
        _LOADED[name].load()
    metric = _LOADED[name]
    return metric.compare(reference, estimate).value
