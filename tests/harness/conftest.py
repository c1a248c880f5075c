from pathlib import Path

import pytest
import torch
from faulty_metrics import plug_in
from latent_helpers import Make, plan_small, silent

from harness.codecs.base import Codec
from harness.codecs.loading import load_codec
from harness.config import CodecConfig
from harness.data.corpus import Utterance
from harness.data.embedded import EmbeddedCorpus
from harness.latents.read import Latents
from harness.latents.spec import Keep, Precision
from harness.latents.write import write_shard
from harness.store import Store


@pytest.fixture(scope="session")
def corpus() -> EmbeddedCorpus:
    return EmbeddedCorpus()


@pytest.fixture(scope="session")
def codec() -> Codec:
    torch.set_num_threads(1)
    return load_codec(CodecConfig())


@pytest.fixture(scope="session")
def rows(corpus: EmbeddedCorpus) -> list[Utterance]:
    """Six utterances of the validation split."""
    return corpus.split("valid")[:6]


@pytest.fixture(scope="session")
def make(codec: Codec, corpus: EmbeddedCorpus, rows: list[Utterance]) -> Make:
    """Encode the six utterances into a store below the given folder."""

    def encode(folder: Path, precision: Precision = "float32", keep: Keep = "latents") -> Latents:
        store = Store.create(folder)
        cache = plan_small(rows, precision, keep)
        for shard in cache.shards:
            write_shard(store, shard, cache, codec, corpus, silent)
        return Latents(store, cache, codec, corpus)

    return encode


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plug in the metrics of `faulty_metrics`."""
    plug_in(tmp_path / "plugin", monkeypatch)
