from pathlib import Path

import numpy as np
import pytest
import torch
from latent_helpers import Make

from harness.batches import CropBatches
from harness.latents.read import Latents
from harness.space import trained_space
from methods.base import Batch


@pytest.fixture(scope="module")
def latents(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Latents:
    return make(tmp_path_factory.mktemp("store"))


def draws(latents: Latents, frames: int, seed: int = 3) -> list[Batch]:
    batches = CropBatches(latents, list(latents.cache.home), frames, 4, seed)
    return [batches.draw() for _ in range(5)]


def same(one: Batch, two: Batch) -> bool:
    return all(torch.equal(getattr(one, n), getattr(two, n)) for n in ("z", "codes", "mask"))


def test_a_seed_decides_all_batches_in_either_mode(
    latents: Latents, make: Make, tmp_path: Path
) -> None:
    codes = make(tmp_path, "float32", "codes")
    for one, two, three in zip(
        draws(latents, 60), draws(latents, 60), draws(codes, 60), strict=True
    ):
        assert same(one, two)
        assert same(one, three)
    assert not same(draws(latents, 60)[0], draws(latents, 60, seed=4)[0])


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


def test_shorter_utterances_are_padded_and_masked(latents: Latents) -> None:
    longest = max(latents.frames(name) for name in latents.cache.home)
    batch = draws(latents, longest + 10)[0]
    assert not batch.mask[:, -10:].any()
    assert batch.mask.any(1).all()


def test_utterances_are_drawn_by_length(latents: Latents) -> None:
    names = list(latents.cache.home)
    batches = CropBatches(latents, names, 1, 4000, seed=0)
    share = np.array([latents.frames(name) for name in names], float)
    share /= share.sum()
    expected = np.random.default_rng(0).choice(len(names), size=4000, p=share)
    rows = np.searchsorted(batches.shares, np.random.default_rng(0).random(4000), side="right")
    assert np.array_equal(rows, expected)


def test_the_space_is_standardised_by_the_subset_alone(latents: Latents) -> None:
    subset = list(latents.cache.home)[1:5]
    space = trained_space(latents.codec, latents, subset)
    frames = np.concatenate(
        [latents.read(name, 0, latents.frames(name))[0].numpy() for name in subset]
    ).astype(np.float64)
    assert np.allclose(space.mean, frames.mean(0), rtol=1e-6, atol=1e-7)
    assert np.allclose(space.std, frames.std(0), rtol=1e-6)
