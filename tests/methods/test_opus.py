"""Opus on real speech: its rate, its alignment, and that a higher rate sounds better."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.signal import butter, correlate, correlation_lags, sosfiltfilt

from harness.audio import resample
from harness.data.embedded import EmbeddedCorpus
from harness.data.read import read_utterance
from methods import catalog
from methods.base import Audio, Backbone, Inputs, LatentSpace, MethodError
from methods.opus import RATES, Samples, decode, encode, measured_bit_rate
from metrics import registry

RATE = 16_000


@pytest.fixture(scope="module")
def speech() -> list[Samples]:
    """Two prompts of the test voice."""
    corpus = EmbeddedCorpus()
    return [read_utterance(corpus, row) for row in corpus.split("test")[:2]]


def coded(samples: Samples, bit_rate: int, rate: int = RATE) -> Samples:
    return decode(encode(samples, rate, bit_rate), rate, len(samples))


def lag(reference: Samples, estimate: Samples, rate: int) -> int:
    """By how many samples at `rate` the estimate is late, by its voice band.

    Below it, low rates remove rumble, and with it shift the phase of the lowest harmonics.
    """
    band = butter(4, [800, 3_500], "bandpass", fs=rate, output="sos")
    x, y = (sosfiltfilt(band, side) for side in (reference, estimate))
    peaks = correlate(y, x, method="fft")
    return int(correlation_lags(len(y), len(x))[peaks.argmax()])


@pytest.mark.parametrize("bit_rate", [6_000, 6_750, 12_000, 24_000, 64_000])
def test_the_packets_take_the_rate_that_was_asked(speech: list[Samples], bit_rate: int) -> None:
    assert measured_bit_rate(speech, RATE, bit_rate) == pytest.approx(bit_rate, rel=0.05)


@pytest.mark.parametrize("bit_rate", [6_000, 16_000, 48_000])
def test_the_estimate_is_aligned_within_two_samples(speech: list[Samples], bit_rate: int) -> None:
    for samples in speech:
        estimate = coded(samples, bit_rate)
        fine = [resample(side, RATE, 48_000) for side in (samples, estimate)]
        assert abs(lag(fine[0], fine[1], 48_000)) <= 6  # two samples at 16 kHz: 0.1 ms


@pytest.mark.parametrize("rate", [*RATES[2:], 22_050, 44_100])
def test_any_rate_keeps_length_and_alignment(speech: list[Samples], rate: int) -> None:
    samples = resample(speech[0], RATE, rate)[:-7]
    estimate = coded(samples, 24_000, rate)
    assert estimate.shape == samples.shape and estimate.dtype == np.float32
    assert abs(lag(samples, estimate, rate)) * RATE / rate <= 1


@pytest.mark.parametrize("metric", ["pesq", "estoi"])
def test_quality_rises_with_the_bit_rate(speech: list[Samples], metric: str) -> None:
    scorer = registry.get(metric)()
    scorer.load()
    for samples in speech:
        values = [
            scorer.compare(samples, coded(samples, bit_rate)).value
            for bit_rate in (6_000, 8_000, 12_000, 24_000)
        ]
        assert values == sorted(values) and values[-1] - values[0] > 0.1


def test_the_anchor_returns_the_reference_coded_and_repeats_itself(speech: list[Samples]) -> None:
    kind = catalog.load(catalog.get("opus"))
    space = LatentSpace(torch.zeros(2, 4, 3), torch.zeros(3), torch.ones(3), 75.0, 24_000)
    opus = kind(kind.Params.model_validate({"bit_rate": 12_000}), space, Backbone())
    shortest = min(map(len, speech))
    reference = torch.from_numpy(np.stack([row[:shortest] for row in speech]))
    extras = {"reference": reference, "reference_rate": torch.tensor(RATE)}
    given = Inputs(torch.zeros(2, 1, dtype=torch.long), torch.ones(2, 1, dtype=torch.bool), extras)
    made = [opus.resynthesize(given, 0, []) for _ in range(2)]
    assert isinstance(made[0], Audio) and isinstance(made[1], Audio)
    assert made[0].sample_rate == RATE and made[0].samples.shape == reference.shape
    assert torch.equal(made[0].samples, made[1].samples)
    assert np.array_equal(made[0].samples[1].numpy(), coded(speech[1][:shortest], 12_000))


@pytest.mark.parametrize("params", [{"bit_rate": 5_999}, {"bit_rate": 64_001}, {"bit_rate": "6k"}])
def test_a_rate_out_of_range_is_refused(params: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="bit_rate"):
        catalog.get("opus").params.model_validate(params)


def test_what_libopus_cannot_do_is_said(speech: list[Samples]) -> None:
    with pytest.raises(MethodError, match="libopus cannot encode at 100 b/s"):
        encode(speech[0], RATE, 100)
