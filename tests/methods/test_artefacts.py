"""Artefacts on real speech: each does what its level says, and nothing where nothing is asked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, get_args, get_origin

import librosa
import numpy as np
import pytest
import torch
from scipy.signal import welch

from harness.data.embedded import EmbeddedCorpus
from harness.data.read import read_utterance
from methods import catalog
from methods.artefacts.base import Floats, Samples, Speech, Word, power
from methods.artefacts.catalog import ARTEFACTS, degrade
from methods.artefacts.noise import sum_of_talkers
from methods.artefacts.pitch import pitch_marks, track
from methods.artefacts.psola import psola
from methods.artefacts.words import read_words, sample_key, write_words
from methods.base import Audio, Backbone, Inputs, LatentSpace, MethodError

RATE = 16_000
LEVELS = {
    "white_noise": (30.0, 10.0, 0.0), "babble": (30.0, 10.0, 0.0), "clipping": (0.01, 0.1, 0.3),
    "band_limit": (6000.0, 3000.0, 1500.0), "packet_loss": (0.03, 0.1, 0.3),
    "robotic_phase": (0.1, 0.3, 1.0), "time_smear": (3.0, 9.0, 31.0), "monotone": (0.3, 0.6, 1.0),
    "pitch_shift": (1.0, 4.0, -4.0), "voice_shift": (1.0, 4.0, -4.0),
    "word_drop": (0.2, 0.5, 0.9), "word_swap": (0.2, 0.5, 1.0),
}  # fmt: skip
IDENTITIES = [name for name, artefact in ARTEFACTS.items() if artefact.identity is not None]
WORDS = (
    Word("That", 0.2, 0.5), Word("agent", 0.55, 0.9), Word("is", 0.95, 1.1),
    Word("already", 1.15, 1.6), Word("logged", 1.65, 2.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def prompts() -> list[Floats]:
    """Two prompts of the test voice."""
    corpus = EmbeddedCorpus()
    rows = corpus.split("test")[:2]
    return [read_utterance(corpus, row).astype(np.float64) for row in rows]


def speech(samples: Floats, seed: int = 1) -> Speech:
    return Speech(samples, RATE, np.random.default_rng(seed), WORDS)


def made(name: str, samples: Floats, level: float, seed: int = 1) -> Floats:
    return degrade(name, speech(samples, seed), level).astype(np.float64)


def decibels(ratio: float) -> float:
    return float(10 * np.log10(ratio))


def excursion(samples: Floats) -> float:
    return float(np.nanstd(12 * np.log2(track(samples, RATE))))


def warp(before: Floats, after: Floats) -> float:
    """Return the stretch of the frequency axis that best turns one mean envelope into another."""
    frequencies, _ = welch(before, RATE, nperseg=128)
    own, other = (np.log(welch(side, RATE, nperseg=128)[1]) for side in (before, after))
    band, ratios = (frequencies > 500) & (frequencies < 4500), np.geomspace(0.6, 1.6, 101)
    likeness = [
        np.corrcoef(np.interp(frequencies[band] / ratio, frequencies, own), other[band])[0, 1]
        for ratio in ratios
    ]
    return float(ratios[int(np.argmax(likeness))])


@pytest.mark.parametrize("name", ARTEFACTS)
def test_length_is_kept_and_the_same_noise_gives_the_same_result(
    name: str, prompts: list[Floats]
) -> None:
    for level in LEVELS[name]:
        found = [degrade(name, speech(prompts[0], 1), level) for _ in range(2)]
        assert found[0].dtype == np.float32 and found[0].shape == prompts[0].shape
        assert np.isfinite(found[0]).all() and np.array_equal(found[0], found[1])
        assert not np.array_equal(found[0], prompts[0].astype(np.float32))


@pytest.mark.parametrize("name", IDENTITIES)
def test_at_its_identity_an_artefact_changes_nothing(name: str, prompts: list[Floats]) -> None:
    level = ARTEFACTS[name].identity
    assert level is not None
    assert np.array_equal(made(name, prompts[0], level), prompts[0])


@pytest.mark.parametrize("name", ["white_noise", "babble"])
def test_noise_is_as_strong_as_the_level_says(name: str, prompts: list[Floats]) -> None:
    for level in LEVELS[name]:
        noise = made(name, prompts[0], level) - prompts[0]
        assert decibels(power(prompts[0]) / power(noise)) == pytest.approx(level, abs=0.01)


def test_babble_has_the_spectrum_of_speech_but_none_of_its_order(prompts: list[Floats]) -> None:
    noise = sum_of_talkers(speech(prompts[0]))
    own, other = (welch(side, RATE, nperseg=512)[1] for side in (prompts[0], noise))
    assert np.corrcoef(np.log(own), np.log(other))[0, 1] > 0.9
    assert abs(np.corrcoef(prompts[0], noise)[0, 1]) < 0.1


def test_clipping_flattens_as_many_samples_as_the_level_says(prompts: list[Floats]) -> None:
    for share in LEVELS["clipping"]:
        found = made("clipping", prompts[0], share)
        flat = np.isclose(np.abs(found), np.abs(found).max(), rtol=1e-6).mean()
        assert flat == pytest.approx(share, abs=0.002)
        assert power(found) == pytest.approx(power(prompts[0]), rel=1e-4)


def test_a_band_limit_removes_what_lies_above_it_alone(prompts: list[Floats]) -> None:
    frequencies, before = welch(prompts[0], RATE, nperseg=1024)
    after = welch(made("band_limit", prompts[0], 3000), RATE, nperseg=1024)[1]
    change = 10 * np.log10(after / before)
    assert np.abs(change[(frequencies > 50) & (frequencies < 2000)]).max() < 0.5
    assert change[frequencies > 4500].max() < -25
    assert np.interp(3000, frequencies, change) == pytest.approx(-6, abs=1.5)


def test_packets_are_lost_whole_and_losses_are_nested(prompts: list[Floats]) -> None:
    lost = []
    for share in LEVELS["packet_loss"]:
        found = made("packet_loss", prompts[0], share)
        changed = found != prompts[0].astype(np.float32)
        assert (found[changed] == 0).all()
        silent = {int(place) // 320 for place in np.flatnonzero(changed)}
        packets = -(-len(found) // 320)
        assert len(silent) <= round(share * packets)
        lost.append(silent)
    assert lost[0] < lost[1] < lost[2]


def test_a_robot_has_no_pitch_of_its_own(prompts: list[Floats]) -> None:
    for samples in prompts:
        robot = made("robotic_phase", samples, 1.0)
        peaks = np.abs(np.fft.rfft(robot**2))[1:]
        hum = (1 + int(peaks.argmax())) * RATE / len(robot)
        assert hum % 100 == pytest.approx(0, abs=1) or hum % 100 == pytest.approx(100, abs=1)
        mild, hard = (made("robotic_phase", samples, share) for share in (0.1, 0.5))
        assert power(mild - samples) < power(hard - samples)


def test_smearing_evens_out_the_loudness(prompts: list[Floats]) -> None:
    def swing(samples: Floats) -> float:
        blocks = samples[: len(samples) // 320 * 320].reshape(-1, 320)
        loudness = np.log((blocks**2).mean(axis=1) + 1e-7)
        return float(np.abs(np.diff(loudness)).mean())

    swings = [swing(made("time_smear", prompts[0], frames)) for frames in (1, 3, 9, 31)]
    assert swings == sorted(swings, reverse=True) and swings[-1] < 0.7 * swings[0]


def test_pitch_is_found_where_another_tracker_finds_it(prompts: list[Floats]) -> None:
    for samples in prompts:
        found = track(samples, RATE)
        other, *_ = librosa.pyin(
            samples, fmin=60, fmax=450, sr=RATE, frame_length=1024, hop_length=80
        )
        both = ~np.isnan(found) & ~np.isnan(other[: len(found)])
        off = np.abs(found[both] / other[: len(found)][both] - 1)
        assert both.mean() > 0.5 and np.mean(off < 0.05) > 0.85


def test_grains_put_back_where_they_were_add_up_to_the_input(prompts: list[Floats]) -> None:
    marks = pitch_marks(prompts[0], RATE, track(prompts[0], RATE))
    assert (np.diff(marks) > 0).all() and marks[0] == 0 and marks[-1] == len(prompts[0])
    same = psola(prompts[0], marks, np.ones(len(marks)), len(prompts[0]))
    np.testing.assert_allclose(same, prompts[0], atol=1e-12)


def test_a_monotone_keeps_the_mean_and_loses_the_excursion(prompts: list[Floats]) -> None:
    for samples in prompts:
        before, middle = excursion(samples), np.nanmedian(track(samples, RATE))
        left = [excursion(made("monotone", samples, share)) / before for share in (0.3, 0.6, 1)]
        assert left[0] == pytest.approx(0.7, abs=0.12) and left[1] == pytest.approx(0.4, abs=0.15)
        assert left[2] < 0.2
        flat = np.nanmedian(track(made("monotone", samples, 1), RATE))
        assert flat == pytest.approx(middle, rel=0.1)


@pytest.mark.parametrize("semitones", [4.0, -4.0])
def test_pitch_moves_alone_and_the_voice_with_its_formants(
    semitones: float, prompts: list[Floats]
) -> None:
    ratio = 2 ** (semitones / 12)
    for samples in prompts:
        pitch = np.nanmedian(track(samples, RATE))
        for name, moved in (("pitch_shift", 1.0), ("voice_shift", ratio)):
            found = made(name, samples, semitones)
            assert np.nanmedian(track(found, RATE)) / pitch == pytest.approx(ratio, rel=0.04)
            assert warp(samples, found) == pytest.approx(moved, rel=0.03)


def test_dropped_words_are_silent_and_nothing_else_changes(prompts: list[Floats]) -> None:
    dropped = []
    for share in LEVELS["word_drop"]:
        found = made("word_drop", prompts[0], share)
        gone = set()
        for place, word in enumerate(WORDS):
            start, end = round(word.start * RATE), round(word.end * RATE)
            inside = found[start + 160 : end - 160]
            if not np.array_equal(inside, prompts[0][start + 160 : end - 160]):
                assert not inside.any()
                gone.add(place)
        assert len(gone) == max(1, round(share * len(WORDS)))
        dropped.append(gone)
        outside = np.ones(len(found), dtype=bool)
        for word in WORDS:
            outside[round(word.start * RATE) : round(word.end * RATE)] = False
        assert np.array_equal(found[outside], prompts[0][outside])
    assert dropped[0] < dropped[1] <= dropped[2]


def test_a_swapped_word_is_another_ones_sound_in_its_place(prompts: list[Floats]) -> None:
    found = made("word_swap", prompts[0], 0.2)
    changed = np.flatnonzero(found != prompts[0])
    spans = [(round(word.start * RATE), round(word.end * RATE)) for word in WORDS]
    (span,) = [s for s in spans if s[0] <= changed[0] and changed[-1] < s[1]]
    assert power(found[slice(*span)]) > 0.01 * power(prompts[0])
    alike = (Word("Same", 0.2, 0.5), Word("same.", 0.6, 0.9))
    with pytest.raises(MethodError, match="no second word"):
        degrade("word_swap", Speech(prompts[0], RATE, np.random.default_rng(1), alike), 0.5)


def test_levels_and_inputs_without_meaning_are_refused(prompts: list[Floats]) -> None:
    wrong = [
        ("echo", 1.0, "no artefact"), ("clipping", 1.0, "outside 0 to 0.9"),
        ("time_smear", 4.0, "odd whole"), ("white_noise", float("nan"), "outside"),
        ("band_limit", 8000.0, "half the rate"),
    ]  # fmt: skip
    for name, level, message in wrong:
        with pytest.raises(MethodError, match=message):
            made(name, prompts[0], level)
    random = np.random.default_rng(1)
    with pytest.raises(MethodError, match=r"params\.words"):
        degrade("word_drop", Speech(prompts[0], RATE, random), 0.5)
    with pytest.raises(MethodError, match=r"0\.1 s"):
        made("clipping", prompts[0][:1000], 0.1)
    with pytest.raises(MethodError, match="no voiced speech"):
        made("monotone", random.normal(0, 0.1, RATE), 0.5)
    with pytest.raises(MethodError, match="8000 Hz"):
        degrade("monotone", Speech(prompts[0], 4000, random), 0.5)


def anchor(**params: object) -> torch.nn.Module:
    kind = catalog.load(catalog.get("degraded"))
    space = LatentSpace(torch.zeros(2, 4, 3), torch.zeros(3), torch.ones(3), 75.0, 24_000)
    return kind(kind.Params.model_validate(params), space, Backbone())


def resynthesized(method: torch.nn.Module, rows: list[Samples], seeds: list[int]) -> torch.Tensor:
    reference = torch.from_numpy(np.stack(rows))
    extras = {"reference": reference, "reference_rate": torch.tensor(RATE)}
    mask = torch.ones(len(rows), 1, dtype=torch.bool)
    inputs = Inputs(torch.zeros(len(rows), 1, dtype=torch.long), mask, extras)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    found = method.resynthesize(inputs, 0, generators)  # type: ignore[operator]
    assert isinstance(found, Audio) and found.sample_rate == RATE
    return found.samples


def test_the_anchor_draws_from_each_utterances_generator(prompts: list[Floats]) -> None:
    rows = [samples[:32_000].astype(np.float32) for samples in prompts]
    noisy = anchor(artefact="white_noise", level=10)
    found = resynthesized(noisy, rows, [3, 4])
    assert torch.equal(found[:1], resynthesized(noisy, rows[:1], [3]))
    assert not torch.equal(found[:1], resynthesized(noisy, rows[:1], [4]))
    same = resynthesized(anchor(), rows, [3, 4])
    assert torch.equal(same, torch.from_numpy(np.stack(rows)))


def test_the_declaration_lists_every_artefact() -> None:
    field = catalog.get("degraded").params.model_fields["artefact"]
    assert get_origin(field.annotation) is Literal
    assert get_args(field.annotation) == tuple(ARTEFACTS)
    with pytest.raises(MethodError, match="odd whole"):
        anchor(artefact="time_smear", level=2)


def test_words_come_from_the_file_that_the_hash_names(
    prompts: list[Floats], tmp_path: Path
) -> None:
    samples = prompts[0].astype(np.float32)
    path, content = tmp_path / "words.json", write_words({sample_key(samples): WORDS})
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    assert read_words(path, sha256)[sample_key(samples)] == WORDS
    given = {"artefact": "word_drop", "level": 0.5, "words": str(path), "words_sha256": sha256}
    found = resynthesized(anchor(**given), [samples], [3])
    assert not torch.equal(found[0], torch.from_numpy(samples))
    with pytest.raises(MethodError, match="does not hold utterance"):
        resynthesized(anchor(**given), [samples[:-1]], [3])
    with pytest.raises(MethodError, match="is not the file"):
        anchor(**given | {"words_sha256": "0" * 64})
    with pytest.raises(MethodError, match="cannot be read"):
        anchor(**given | {"words": str(tmp_path / "absent.json")})
    with pytest.raises(MethodError, match="together"):
        anchor(artefact="word_drop", level=0.5, words=str(path))
