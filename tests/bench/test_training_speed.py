"""The training loop beside a bare one, its arithmetic beside plain matrix products, its stalls.

Ratios within one run, printed; the bounds asserted are loose, for machines are noisy.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness.codecs.loading import load_codec
from harness.config import CodecConfig, TrainingConfig
from harness.data.embedded import EmbeddedCorpus
from harness.flops import flop_counter
from harness.latents.read import Latents
from harness.latents.spec import plan_cache
from harness.latents.write import write_shard
from harness.space import trained_space
from harness.store import Store
from harness.training.batches import Loader, sampler
from harness.training.checkpoints import Checkpoints
from harness.training.loop import Setup, Training
from harness.training.losses import mix
from harness.training.optimise import set_rate
from methods import catalog
from methods.base import Backbone, Batch, LatentSpace, Method

pytestmark = pytest.mark.bench
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ROUNDS = 5
TRAINING = TrainingConfig(
    steps=12,
    batch_size=8,
    segment_seconds=1.5,
    validate_every=1000,
    validate_batches=1,
    precision="bfloat16",
)
PAPER = Backbone(layers=12, width=768, heads=12)


def silent(step: int, steps: int, loss: float | None) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def latents(tmp_path_factory: pytest.TempPathFactory) -> Latents:
    corpus, codec = EmbeddedCorpus(), load_codec(CodecConfig())
    rows = corpus.split("valid")[:24]
    store = Store.create(tmp_path_factory.mktemp("store"))
    cache = plan_cache("codec", "code", rows, "float16", "latents", shard_minutes=5.0)
    for shard in cache.shards:
        write_shard(store, shard, cache, codec, corpus, silent)
    return Latents(store, cache, codec, corpus)


def build(name: str, backbone: Backbone) -> Callable[[LatentSpace], Method]:
    kind = catalog.load(catalog.get(name))
    return lambda space: kind(kind.Params(), space, backbone)


def setup(latents: Latents, name: str, backbone: Backbone) -> Setup:
    names = list(latents.cache.home)
    space = trained_space(latents.codec, latents, names)
    return Setup(build(name, backbone), space, latents, names, names, TRAINING, 0)


def bare(given: Setup, batches: list[Batch]) -> float:
    """The shortest loop that does the same arithmetic, on batches made before; its seconds."""
    torch.manual_seed(given.seed)
    method = given.build(given.space).to(DEVICE).train()
    optimiser = torch.optim.AdamW(
        method.parameters(), TRAINING.learning_rate, weight_decay=0.01, fused=True
    )
    started = time.perf_counter()
    for step, batch in enumerate(batches, 1):
        set_rate(optimiser, step, len(batches), TRAINING)
        optimiser.zero_grad(set_to_none=True)
        generator = torch.Generator(DEVICE).manual_seed(mix((0, given.seed, step, 0)))
        with torch.autocast(DEVICE, torch.bfloat16):
            loss = method.loss(batch, generator)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(method.parameters(), TRAINING.clip_norm)
        optimiser.step()
        loss.item()
    return time.perf_counter() - started


@pytest.mark.parametrize("name", ["regression", "bridge"])
def test_the_loop_is_as_fast_as_a_bare_one(latents: Latents, name: str) -> None:
    given = setup(latents, name, Backbone(layers=3, width=128))
    crops = sampler(latents, given.subset, round(1.5 * given.space.frame_rate), 8, 0)
    loader = Loader(latents, False)
    batches = [loader.collate(crops.draw(n)).to(DEVICE) for n in range(1, TRAINING.steps + 1)]
    ratios, stalls = [], []
    bare(given, batches)
    for _ in range(ROUNDS):
        alone = bare(given, batches)
        trained = Training(given, silent, Checkpoints(None, 1), DEVICE).run()
        ratios.append(alone / trained.seconds)
        stalls.append(trained.stalled / trained.seconds)
    print(
        f"{name}: the loop runs at {statistics.median(ratios):.3f} of a bare one (rounds: "
        f"{', '.join(f'{r:.3f}' for r in ratios)}), waiting for data "
        f"{statistics.median(stalls):.2%} of the time"
    )
    assert statistics.median(ratios) > 0.6


def gemm_rate(frames: int, size: Backbone) -> float:
    """FLOP/s of a block's own matrix products, forward and backward, in bfloat16."""
    width, hidden = size.width, size.feed_forward * size.width
    shapes = [(width, 3 * width), (width, width), (width, hidden), (hidden, width)]
    make = dict(device=DEVICE, dtype=torch.bfloat16)
    products: list[tuple[Tensor, Tensor]] = []
    for inner, outer in shapes:
        x, w, g = (
            torch.randn(*s, **make)  # type: ignore[arg-type]
            for s in ((frames, inner), (inner, outer), (frames, outer))
        )
        products += [(x, w), (g, w.T), (x.T, g)]
    flops = sum(2 * a.shape[0] * a.shape[1] * b.shape[1] for a, b in products)

    def run() -> None:
        for a, b in products:
            a @ b
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    run()
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < 2:
        run()
        count += 1
    return flops * count / (time.perf_counter() - started)


def test_at_the_papers_size_most_time_is_arithmetic(latents: Latents, tmp_path: Path) -> None:
    given = setup(latents, "regression", PAPER)
    crops = sampler(latents, given.subset, 112, 4, 0)
    batch = Loader(latents, False).collate(crops.draw(1)).to(DEVICE)
    method = given.build(given.space).to(DEVICE).train()
    optimiser = torch.optim.AdamW(method.parameters(), 1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, torch.bfloat16):
            loss = method.loss(batch, torch.Generator(DEVICE).manual_seed(0))
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(method.parameters(), 1.0)
        optimiser.step()
        loss.item()

    with flop_counter() as counter:
        step()
    shares = []
    for _ in range(3):
        started = time.perf_counter()
        step()
        rate = counter.get_total_flops() / (time.perf_counter() - started)
        shares.append(rate / gemm_rate(batch.mask.numel(), PAPER))
    print(
        f"12 layers of {PAPER.width} on {DEVICE}: training at {statistics.median(shares):.2f} of "
        f"the rate of its own matrix products ({rate / 1e9:.0f} GFLOP/s; rounds: "
        f"{', '.join(f'{s:.2f}' for s in shares)})"
    )
    assert statistics.median(shares) > 0.2
