from pathlib import Path

import numpy as np
import pytest
import torch
from latent_helpers import Make

from harness.audio import resample
from harness.data.read import read_utterance
from harness.latents.read import Latents
from harness.space import trained_space
from harness.training.batches import Loader, sampler
from harness.training.crops import BUCKETS, CropSampler
from methods.base import Batch


@pytest.fixture(scope="module")
def latents(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Latents:
    return make(tmp_path_factory.mktemp("store"))


def draws(latents: Latents, frames: int, seed: int = 3) -> list[Batch]:
    crops, loader = (
        sampler(latents, list(latents.cache.home), frames, 4, seed),
        Loader(latents, False),
    )
    return [loader.collate(crops.draw(step)) for step in range(1, 6)]


def same(one: Batch, two: Batch) -> bool:
    return all(torch.equal(getattr(one, n), getattr(two, n)) for n in ("z", "codes", "mask"))


def test_seed_and_step_decide_a_batch_in_either_mode(
    latents: Latents, make: Make, tmp_path: Path
) -> None:
    codes = make(tmp_path, "float32", "codes")
    for one, two, three in zip(
        draws(latents, 60), draws(latents, 60), draws(codes, 60), strict=True
    ):
        assert same(one, two)
        assert same(one, three)
    assert not same(draws(latents, 60)[0], draws(latents, 60, seed=4)[0])
    assert not same(draws(latents, 60)[0], draws(latents, 60)[1])


def test_crops_are_segments_of_their_utterances(latents: Latents) -> None:
    everything = {name: latents.read(name, 0, latents.frames(name)) for name in latents.cache.home}
    for batch in draws(latents, 40):
        for z, codes, mask in zip(batch.z, batch.codes, batch.mask, strict=True):
            length = int(mask.sum())
            assert mask[:length].all()
            assert not z[length:].any()
            assert not codes[:, length:].any()
            assert any(
                torch.equal(whole[first : first + length], z[:length])
                and torch.equal(all_codes[:, first : first + length], codes[:, :length])
                for whole, all_codes in everything.values()
                for first in range(len(whole) - length + 1)
            )


COUNTS = [7, 12, 30, 31, 58, 80, 200, 1000]


def test_every_utterance_has_its_share() -> None:
    crops = CropSampler([str(n) for n in range(len(COUNTS))], COUNTS, 60, 8, seed=0)
    seen = np.zeros(len(COUNTS))
    for step in range(1, 6001):
        for crop in crops.draw(step):
            seen[int(crop.utterance)] += crop.length
    # Per frame of each utterance; the rarest is drawn about 400 times, so 4 sigma are 20 %.
    rate = seen / np.array(COUNTS)
    assert np.abs(rate / rate.mean() - 1).max() < 0.2


def test_batches_hold_about_the_same_frames_and_little_padding() -> None:
    random = np.random.default_rng(0)
    counts = random.integers(5, 300, size=2000).tolist()
    crops = CropSampler([str(n) for n in range(len(counts))], counts, 100, 32, seed=0)
    for step in range(1, 200):
        lengths = [crop.length for crop in crops.draw(step)]
        held = len(lengths) * max(lengths)
        assert 0.9 * 3200 <= held <= 3200
        assert max(lengths) - min(lengths) <= 100 / BUCKETS


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_a_batch_divides_into_shards_that_hold_it_all(latents: Latents, shards: int) -> None:
    crops = sampler(latents, list(latents.cache.home), 40, 6, 0, shards)
    loader, drawn = Loader(latents, False), crops.draw(1)
    parts = loader.parts(drawn, range(shards), shards)
    assert len({len(part.crops) for part in parts}) == 1
    assert sorted(c for part in parts for c in part.crops) == sorted(drawn)
    assert sum(part.share for part in parts) == pytest.approx(1)


def test_audio_lies_beside_its_latents(latents: Latents) -> None:
    codec, corpus, loader = latents.codec, latents.corpus, Loader(latents, True)
    crops = sampler(latents, list(latents.cache.home), 50, 4, 1).draw(1)
    batch = loader.collate(crops)
    assert batch.audio().shape == (len(crops), batch.mask.shape[1] * codec.hop)
    for row, crop in enumerate(crops):
        samples = read_utterance(corpus, latents.row(crop.utterance))
        whole = resample(samples, corpus.sample_rate, codec.facts.sample_rate)
        part = whole[crop.first * codec.hop : (crop.first + crop.length) * codec.hop]
        assert np.array_equal(batch.audio()[row, : len(part)].numpy(), part)
        assert not batch.audio()[row, len(part) :].any()


def test_the_space_is_standardised_by_the_subset_alone(latents: Latents) -> None:
    subset = list(latents.cache.home)[1:5]
    space = trained_space(latents.codec, latents, subset)
    frames = np.concatenate(
        [latents.read(name, 0, latents.frames(name))[0].numpy() for name in subset]
    ).astype(np.float64)
    assert np.allclose(space.mean, frames.mean(0), rtol=1e-6, atol=1e-7)
    assert np.allclose(space.std, frames.std(0), rtol=1e-6)
