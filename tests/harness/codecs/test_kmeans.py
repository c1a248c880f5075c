"""K-means as the requantization study uses it."""

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from harness.codecs.kmeans import KMeansSettings, fit_codebook, restart, run_batches
from harness.codecs.loading import load_codec
from harness.codecs.requantized import nearest
from harness.config import CodecConfig
from harness.data.embedded import EmbeddedCorpus
from harness.errors import UserError
from harness.latents import encode_utterance


@pytest.fixture(scope="module")
def z() -> Tensor:
    codec, corpus = load_codec(CodecConfig()), EmbeddedCorpus()
    rows = corpus.split("valid")[:16]
    return torch.cat([encode_utterance(codec, corpus, row).z[0] for row in rows])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def loss(x: Tensor, centres: Tensor) -> float:
    return float((x - centres[nearest(x, centres)]).square().mean())


def test_loses_no_more_than_scikit_learns_k_means(z: Tensor) -> None:
    peer = KMeans(64, n_init=1, random_state=0).fit(z.numpy())
    ours = loss(z, fit_codebook(z, 64, seeded()))
    assert ours < peer.inertia_ / z.numel() * 1.03


def test_the_loss_falls_with_entries(z: Tensor) -> None:
    losses = [loss(z, fit_codebook(z, entries, seeded())) for entries in (2, 16, 128, 512)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] < float(z.var(0, correction=0).mean())


def test_a_seed_gives_one_result(z: Tensor) -> None:
    first, again = fit_codebook(z, 100, seeded(7)), fit_codebook(z, 100, seeded(7))
    assert torch.equal(first, again)
    assert not torch.equal(first, fit_codebook(z, 100, seeded(8)))


def test_finds_separate_clusters() -> None:
    places = 50 * torch.eye(20, 128)
    members = torch.randint(0, 20, (4000,), generator=seeded())
    x = places[members] + torch.randn(4000, 128, generator=seeded(1))
    found = fit_codebook(x, 20, seeded())
    assert sorted(nearest(places, found).tolist()) == list(range(20))


def test_mini_batches_restart_dead_centres(z: Tensor) -> None:
    settings = KMeansSettings(batch_per_entry=16)
    alike = z[:1].repeat(32, 1)  # all but one are dead, or differ by rounding alone
    moved = run_batches(z, alike, seeded(), settings)
    assert len(nearest(z, moved).unique()) == 32
    stuck = run_batches(z, alike, seeded(), KMeansSettings(batch_per_entry=16, round_batches=10**6))
    assert len(nearest(z, stuck).unique()) < 32


def test_a_dead_centre_moves_to_a_frame_off_every_centre() -> None:
    x = torch.tensor([[0.0, 0.0], [0.0, 0.0], [9.0, 0.0]])
    centres, dead = torch.tensor([[0.0, 0.0], [1.0, 80.0]]), torch.tensor([[False], [True]])
    for seed in range(5):
        assert restart(centres, dead, x, seeded(seed)).tolist() == [[0.0, 0.0], [9.0, 0.0]]


def test_fewer_different_frames_than_entries_are_all_found() -> None:
    distinct = torch.randn(5, 8, generator=seeded())
    centres = fit_codebook(distinct.repeat(20, 1), 16, seeded())
    assert centres.shape == (16, 8)
    assert loss(distinct, centres) < 1e-10


def test_as_many_entries_as_frames_lose_nothing(z: Tensor) -> None:
    assert loss(z[:50], fit_codebook(z[:50], 50, seeded())) < 1e-3


@pytest.mark.parametrize("entries", [256, 4096])
def test_large_codebooks_are_in_use(entries: int) -> None:
    x = torch.randn(12_000, 16, generator=seeded())
    centres = fit_codebook(x, entries, seeded())
    assert centres.shape == (entries, 16)
    assert len(nearest(x, centres).unique()) > 0.99 * entries


def test_chunks_do_not_change_the_nearest(z: Tensor) -> None:
    book = torch.randn(8192, 128, generator=seeded())  # 512 frames a chunk
    x = z[:1300]
    distances = torch.cdist(x.double(), book.double())
    chosen = distances.gather(1, nearest(x, book)[:, None])[:, 0]
    assert torch.all(chosen <= distances.min(1).values + 1e-4)
    assert nearest(x.reshape(2, 650, 128), book).shape == (2, 650)


def test_too_few_or_bad_frames_are_refused(z: Tensor) -> None:
    with pytest.raises(UserError, match="7 frames cannot fit a codebook of 8 entries"):
        fit_codebook(z[:7], 8, seeded())
    bad = z[:100].clone()
    bad[3, 5] = torch.nan
    with pytest.raises(UserError, match="NaN or infinite"):
        fit_codebook(bad, 8, seeded())
