"""Bad input is a MetricError that says what is wrong, and a missing package a MetricUnavailable."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metrics import packages
from metrics.base import MetricError, MetricUnavailable, Samples
from metrics.cache import LRU
from metrics.registry import discover

if TYPE_CHECKING:
    from conftest import Lab

METRICS = discover()
SLOW = {"visqol", "visqol_lattice"}
# Latent and cost metrics do not look at audio (tests/metrics/test_signal_metrics.py).
HEARD = [n for n, m in METRICS.items() if m.facts.kind not in ("latent", "cost")]
ALL = [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in HEARD]
ALONE = [n for n, m in METRICS.items() if m.facts.kind in ("no reference", "transcript")]
PAIRED = [p for p in ALL if p not in ALONE]


@pytest.mark.parametrize("name", PAIRED)
def test_lengths_that_differ(name: str, clip: Samples, lab: Lab) -> None:
    with pytest.raises(MetricError, match="64000 samples, estimate 63999"):
        lab.score(name, clip, clip[:-1])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sample_that_is_no_number(name: str, bad: float, clip: Samples, lab: Lab) -> None:
    estimate = clip.copy()
    estimate[100] = bad
    with pytest.raises(MetricError, match="estimate holds NaN or infinite"):
        lab.score(name, clip, estimate)


@pytest.mark.parametrize("name", ALL)
def test_silence(name: str, clip: Samples, lab: Lab) -> None:
    with pytest.raises(MetricError, match="estimate is digital silence"):
        lab.score(name, clip, np.zeros_like(clip))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [0, 1])
def test_no_sample_or_one(name: str, size: int, clip: Samples, lab: Lab) -> None:
    with pytest.raises(MetricError):
        lab.score(name, clip[1000 : 1000 + size], clip[1000 : 1000 + size])


@pytest.mark.parametrize("name", ALL)
def test_two_channels(name: str, clip: Samples, lab: Lab) -> None:
    stereo = np.stack([clip, clip])
    with pytest.raises(MetricError, match="shape"):
        lab.score(name, stereo, stereo)


@pytest.mark.parametrize("name", [p for p in ALL if p != "si_snr"])
def test_too_short(name: str, clip: Samples, lab: Lab) -> None:
    short = clip[16_000:16_800]
    with pytest.raises(MetricError, match="too short"):
        lab.score(name, short, short)


def test_estoi_with_too_little_speech_is_no_score(clip: Samples, lab: Lab) -> None:
    mostly_silent = np.zeros_like(clip)
    mostly_silent[:4000] = clip[16_000:20_000]
    with pytest.raises(MetricError, match="too short: under 30 frames"):
        lab.score("estoi", mostly_silent, mostly_silent)


def test_pesq_without_speech_is_no_score(lab: Lab) -> None:
    burst = np.zeros(32_000, dtype=np.float32)
    burst[8000:8600] = np.random.default_rng(0).normal(0, 0.1, 600)
    with pytest.raises(MetricError, match="No utterances"):
        lab.score("pesq", burst, burst)


def test_pesq_refuses_what_would_crash_it(clip: Samples, lab: Lab) -> None:
    long = np.tile(clip, 10)
    with pytest.raises(MetricError, match=r"40\.0 s is too long for PESQ"):
        lab.score("pesq", long, long)


def test_speaker_similarity_needs_a_voice(clip: Samples, lab: Lab) -> None:
    click = np.zeros_like(clip)
    click[8000] = 0.5
    with pytest.raises(MetricError, match="no voice is found in the estimate"):
        lab.score("speaker_similarity", clip, click)


def test_dnsmos_refuses_samples_beyond_full_scale(clip: Samples, lab: Lab) -> None:
    loud = clip / np.abs(clip).max() * np.float32(1.5)
    with pytest.raises(MetricError, match=r"peaks at 1\.500"):
        lab.score("dnsmos", clip, loud)


def test_si_snr_of_a_constant_is_no_score(clip: Samples, lab: Lab) -> None:
    with pytest.raises(MetricError, match="estimate is constant"):
        lab.score("si_snr", clip, np.full_like(clip, 0.25))


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.packages])
def test_an_absent_package_says_how_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(distribution: str) -> str:
        raise PackageNotFoundError(distribution)

    monkeypatch.setattr(packages, "version", absent)
    with pytest.raises(MetricUnavailable, match=r"is not installed: pip install .+==.+"):
        METRICS[name]().load()


def test_another_version_is_refused() -> None:
    with pytest.raises(MetricUnavailable, match=r"pesq is 0\.0\.4, not 0\.0\.3: pip install pesq"):
        packages.import_pinned("pesq", {"pesq": "0.0.3"})


def test_a_module_that_does_not_import_says_why() -> None:
    with pytest.raises(MetricUnavailable, match=r"no_such_module cannot be imported .*try this"):
        packages.import_pinned("no_such_module", {}, "try this")


def test_a_changed_model_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    with pytest.raises(MetricUnavailable, match=r"model\.bin is absent"):
        packages.verified(file, "0" * 64, {"a": "1"})
    file.write_bytes(b"weights")
    with pytest.raises(MetricUnavailable, match=r"has sha256 .* --no-deps a==1"):
        packages.verified(file, "0" * 64, {"a": "1"})


def test_the_cache_is_bounded_and_keeps_what_is_used() -> None:
    lru: LRU[str, int] = LRU(2)
    for key in ("a", "b", "a", "c"):
        lru.get(key, lambda: 1)
    assert len(lru) == 2
    assert lru.get("a", lambda: 2) == 1
    assert lru.get("b", lambda: 2) == 2


def test_a_failed_computation_is_not_remembered() -> None:
    lru: LRU[str, float] = LRU(2)
    with pytest.raises(ZeroDivisionError):
        lru.get("a", lambda: 1 / 0)
    assert lru.get("a", lambda: 2.0) == 2.0


def test_an_error_leaves_the_metric_usable(clip: Samples, lab: Lab) -> None:
    estimate = lab.noisy(clip, 5)
    expected = lab.score("estoi", clip, estimate)
    with pytest.raises(MetricError):
        lab.score("estoi", clip, np.zeros_like(clip))
    assert lab.score("estoi", clip, estimate) == expected
