from pathlib import Path

import numpy as np
import pytest

from harness.audio import fit_length, read_audio, resample, write_flac
from harness.errors import UserError


def test_16_bit_audio_survives_a_round_trip(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).integers(-32768, 32768, 1000)
    samples = (whole / 32768).astype(np.float32)
    assert write_flac(tmp_path / "a.flac", samples, 16_000) == 0
    assert np.array_equal(read_audio(tmp_path / "a.flac", "a", 16_000)[0], samples)


def test_samples_beyond_full_scale_are_counted(tmp_path: Path) -> None:
    samples = np.array([0.5, 1.5, -1.5], np.float32)
    assert write_flac(tmp_path / "a.flac", samples, 16_000) == 2


def test_resampling_keeps_a_tone() -> None:
    time = np.arange(16_000, dtype=np.float32) / 16_000
    there = resample(np.sin(2 * np.pi * 440 * time).astype(np.float32), 16_000, 24_000)
    back = resample(there, 24_000, 16_000)
    assert len(there) == 24_000
    assert np.abs(back - np.sin(2 * np.pi * 440 * time))[500:-500].max() < 1e-3


@pytest.mark.parametrize(("surplus", "fits"), [(0, True), (213, True), (-1, False), (215, False)])
def test_only_the_codecs_padding_is_cut(surplus: int, fits: bool) -> None:
    samples = np.ones(1000 + surplus, np.float32)
    if fits:
        assert len(fit_length(samples, 1000, 214, "u")) == 1000
    else:
        with pytest.raises(UserError, match=f"has {1000 + surplus} samples where the reference"):
            fit_length(samples, 1000, 214, "u")
