"""Two processes that build one shard: both end well, and one whole shard is there."""

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import torch
from latent_helpers import plan_small

from harness.codecs.loading import load_codec
from harness.config import CodecConfig
from harness.data.embedded import EmbeddedCorpus
from harness.latents.shard import verify
from harness.latents.write import write_shard
from harness.store import Store

pytestmark = pytest.mark.slow  # two interpreters that import torch


def build(root: Path, together: Barrier) -> None:
    torch.set_num_threads(1)
    corpus = EmbeddedCorpus()
    cache = plan_small(corpus.split("valid")[:2], "float32", "latents")
    shard = cache.shards[0]

    def progress(step: int, steps: int, loss: float | None) -> None:
        if step == steps:
            together.wait(60)  # so that both have encoded all, and neither has committed

    write_shard(Store.create(root), shard, cache, load_codec(CodecConfig()), corpus, progress)


def test_both_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A new process searches the parent's path, where tests/harness would be taken for the package.
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[3]))
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    both = [context.Process(target=build, args=(tmp_path, together)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    (identity,) = Store.open(tmp_path).finished("latents")
    verify(tmp_path / "latents" / identity, identity)
    assert list((tmp_path / "staging").iterdir()) == []
