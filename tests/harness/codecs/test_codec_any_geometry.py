"""Cache, train, resynthesize and score with codecs of other rates, N, K and D than EnCodec's."""

from pathlib import Path

import numpy as np
import pytest

from harness.codecs.loading import load_codec
from harness.config import CodecConfig, TrainingConfig
from harness.data.embedded import EmbeddedCorpus
from harness.data.read import read_utterance
from harness.latents.read import Latents
from harness.latents.spec import plan_cache
from harness.latents.write import write_shard
from harness.space import trained_space
from harness.store import Store
from harness.synthesize import Synthesizer
from harness.training.checkpoints import Checkpoints
from harness.training.loop import Setup, Training
from methods import catalog
from methods.params import Backbone
from metrics.registry import get

TRAINING = TrainingConfig(steps=3, batch_size=2, segment_seconds=0.5, warmup_steps=1)


def silent(step: int, steps: int, loss: float | None) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module", params=["dac-44khz", "dac-24khz", "mimi"])
def latents(
    request: pytest.FixtureRequest,
    saved: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Latents:
    codec = load_codec(CodecConfig(name=request.param, weights=str(saved[request.param])))
    corpus = EmbeddedCorpus()
    rows = sorted(corpus.split("valid"), key=lambda row: row.seconds)[:3]
    store = Store.create(tmp_path_factory.mktemp("store"))
    cache = plan_cache("codec", "code", rows, "float16", "latents", shard_minutes=1.0)
    for shard in cache.shards:
        write_shard(store, shard, cache, codec, corpus, silent)
    return Latents(store, cache, codec, corpus)


@pytest.mark.parametrize("name", ["regression", "coarse_to_fine"])
def test_methods_train_and_resynthesize_at_the_splits_rate(latents: Latents, name: str) -> None:
    codec, corpus = latents.codec, latents.corpus
    rows = list(latents.cache.home)
    declaration = catalog.get(name)
    kind = catalog.load(declaration)
    space = trained_space(codec, latents, rows)
    assert (space.count, space.dimension) == (codec.facts.codebooks, codec.facts.dimension)
    backbone = Backbone(layers=1, width=32)
    setup = Setup(
        lambda space: kind(kind.Params(), space, backbone), space, latents, rows, rows, TRAINING, 0
    )
    trained = Training(setup, silent, Checkpoints(None, 1)).run()
    assert np.isfinite([point.valid for point in trained.curve]).all()
    nfe = catalog.default_nfe(declaration, codec.facts.codebooks)
    row = next(row for row in corpus.split("valid") if row.id == rows[0])
    reference = read_utterance(corpus, row)
    made = Synthesizer(codec, trained.method, nfe, None, 0).run(
        row.id, reference, corpus.sample_rate
    )
    assert made.samples.shape == reference.shape
    for metric in (get("si_snr")(), get("estoi")()):
        metric.load()
        assert metric.facts.sample_rate == corpus.sample_rate
        assert np.isfinite(metric.compare(reference, made.samples).value)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_every_length_fits_its_reference_at_any_rate(latents: Latents, rate: int) -> None:
    """Whatever is left over of a frame, the estimate covers the reference and is cut to it."""
    kind = catalog.load(catalog.get("codec"))
    space = trained_space(latents.codec, latents, list(latents.cache.home))
    whole = Synthesizer(latents.codec, kind(kind.Params(), space, Backbone()), 0, None, 0)
    noise = np.random.default_rng(0).normal(size=rate // 4).astype(np.float32) * np.float32(0.1)
    for samples in (rate // 8, rate // 8 + 1, rate // 8 + 315, rate // 8 + 513):
        made = whole.run("u", noise[:samples], rate)
        assert made.samples.shape == (samples,)
