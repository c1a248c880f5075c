"""The training loop: exact resume, budgets, averages, critics, divergence, several processes."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from latent_helpers import Make, silent
from torch import Tensor, nn

from harness.config import TrainingConfig
from harness.errors import UserError
from harness.latents.read import Latents
from harness.space import trained_space
from harness.training.checkpoints import Checkpoints
from harness.training.loop import Setup, Trained, Training, TrainingDiverged
from harness.training.losses import frozen_decoder
from harness.training.ranks import Ranks
from harness.training.together import together
from methods import catalog
from methods.base import Audio, Backbone, Batch, Inputs, LatentSpace, Method

SMALL = TrainingConfig(
    steps=6,
    batch_size=4,
    segment_seconds=0.4,
    learning_rate=3e-3,
    warmup_steps=2,
    validate_every=2,
    validate_batches=2,
)


class Sparring(Method):
    """A one-layer predictor with a critic that tries to read off how far it is."""

    name, summary, target, nfe = "sparring", "For this test.", "z", 1
    needs = ("audio", "decoder")

    def __init__(self, params: Method.Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        self.network = nn.Linear(space.dimension, space.dimension)
        self.critic = nn.Linear(space.dimension, 1)

    def critics(self) -> Sequence[nn.Module]:
        return (self.critic,)

    def _gap(self, batch: Batch) -> Tensor:
        assert batch.audio().shape == batch.decode(batch.z).shape
        coarse = self.space.standardise(self.space.embed(batch.codes[:, :1]))
        return self.network(coarse) - self.space.standardise(batch.z)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        gap = self._gap(batch)
        return (gap.square().mean(-1) - 0.01 * self.critic(gap)[..., 0])[batch.mask].mean()

    def critic_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        gap = self._gap(batch).detach()
        target = gap.square().mean(-1)
        return (self.critic(gap)[..., 0] - target).square()[batch.mask].mean()

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        return self.network(self.space.embed(inputs.x1[:, None]))


class Poisoned(Sparring):
    """Its loss, or only its gradient, is no number from the third step on."""

    poison_gradient = False

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        value = super().loss(batch, generator)
        if batch.progress < 0.3 or not self.training:
            return value
        weight = self.network.weight.sum()
        return value + (weight * 0).sqrt() if self.poison_gradient else value * math.nan


class PoisonedGradient(Poisoned):
    poison_gradient = True


class Climber(Sparring):
    """Trains away from the target: its validation loss only rises."""

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        value = super().loss(batch, generator)
        return -value if self.training else value


@pytest.fixture(scope="module")
def latents(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Latents:
    return make(tmp_path_factory.mktemp("store"))


def setup(latents: Latents, kind: type[Method] | str, config: TrainingConfig = SMALL) -> Setup:
    names = list(latents.cache.home)
    found = catalog.load(catalog.get(kind)) if isinstance(kind, str) else kind
    return Setup(
        build=lambda space: found(found.Params(), space, Backbone(layers=1, width=32)),
        space=trained_space(latents.codec, latents, names[:4]),
        latents=latents,
        subset=names[:4],
        valid=names[4:],
        config=config,
        seed=1,
        make_decoder=lambda: frozen_decoder(latents.codec, "cpu"),
    )


def train(given: Setup, checkpoints: Checkpoints | None = None, ranks: Ranks = Ranks()) -> Trained:  # noqa: B008
    return Training(given, silent, checkpoints or Checkpoints(None, 1), "cpu", ranks).run()


def equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


class Killed(BaseException):
    """Stands for a kill signal: nothing may catch it."""


@pytest.mark.parametrize("kind", ["bridge", "coarse_to_fine", Sparring])
def test_a_killed_training_ends_with_the_same_bits(
    latents: Latents, kind: type[Method] | str, tmp_path: Path
) -> None:
    given = setup(latents, kind, SMALL.model_copy(update={"ema": 0.9, "accumulate": 2}))
    whole = train(given)
    for killed_at in (1, 3, 4):  # before any validation, between two, right after one
        checkpoints = Checkpoints(tmp_path / f"{killed_at}.pt", 0)

        def kill(step: int, steps: int, loss: float | None, at: int = killed_at) -> None:
            if step == at + 1:
                raise Killed

        with pytest.raises(Killed):
            Training(given, kill, checkpoints).run()
        resumed = Training(given, silent, checkpoints)
        resumed.restore(checkpoints.load())
        assert resumed.step == killed_at
        found = resumed.run()
        assert equal(found.last, whole.last)
        assert equal(found.best, whole.best)
        assert (found.best_step, found.frames) == (whole.best_step, whole.frames)
        assert [(p.step, p.train, p.valid) for p in found.curve] == [
            (p.step, p.train, p.valid) for p in whole.curve
        ]


def test_an_unreadable_checkpoint_is_named(latents: Latents, tmp_path: Path) -> None:
    path = tmp_path / "trial.pt"
    path.write_bytes(b"PK\x03\x04 half a checkpoint")
    with pytest.raises(UserError, match=r"trial\.pt: is no training checkpoint"):
        train(setup(latents, "regression"), Checkpoints(path, 1))


@pytest.mark.parametrize(
    ("kind", "what"), [(Poisoned, "loss is nan"), (PoisonedGradient, "gradient norm is")]
)
def test_divergence_names_step_and_batch(latents: Latents, kind: type[Method], what: str) -> None:
    training = Training(setup(latents, kind), silent, Checkpoints(None, 1))
    with pytest.raises(TrainingDiverged, match=rf"{what}.* at step 3 on .*\[\d+:\d+\]"):
        training.run()
    assert all(bool(p.isfinite().all()) for p in training.method.parameters())


def test_accumulated_passes_are_one_batch(latents: Latents) -> None:
    # Regression draws no noise, so only the order of additions differs.
    whole, parts = (
        train(setup(latents, "regression", SMALL.model_copy(update={"accumulate": count})))
        for count in (1, 2)
    )
    for key, value in whole.last.items():
        torch.testing.assert_close(parts.last[key], value, rtol=0, atol=2e-5)


def follow(latents_of: Path, config: TrainingConfig, ranks: Ranks, device: str) -> None:
    """Be the second rank: in a process of its own, on the same store."""
    torch.set_num_threads(1)
    train(setup(reopen(latents_of), "bridge", config), ranks=ranks)


def reopen(folder: Path) -> Latents:
    from latent_helpers import plan_small

    from harness.codecs.loading import load_codec
    from harness.config import CodecConfig
    from harness.data.embedded import EmbeddedCorpus
    from harness.store import Store

    corpus = EmbeddedCorpus()
    cache = plan_small(corpus.split("valid")[:6], "float32", "latents")
    return Latents(Store.open(folder), cache, load_codec(CodecConfig()), corpus)


@pytest.mark.slow
def test_two_processes_train_what_two_passes_do(make: Make, tmp_path: Path) -> None:
    latents = make(tmp_path)
    alone = train(setup(latents, "bridge", SMALL.model_copy(update={"accumulate": 2})))
    with together(2, "cpu", partial(follow, tmp_path, SMALL)) as ranks:
        shared = train(setup(latents, "bridge"), ranks=ranks)
    for key, value in alone.last.items():
        torch.testing.assert_close(shared.last[key], value, rtol=0, atol=2e-5)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_trains_the_same(latents: Latents) -> None:
    plain, compiled = (
        train(setup(latents, "bridge", SMALL.model_copy(update={"compile": choice})))
        for choice in (False, True)
    )
    assert plain.flops == compiled.flops
    for key, value in plain.last.items():
        torch.testing.assert_close(compiled.last[key], value, rtol=0, atol=1e-3)


def test_the_best_weights_are_those_of_the_lowest_validation_loss(latents: Latents) -> None:
    trained = train(setup(latents, Climber))
    values = [point.valid or math.inf for point in trained.curve]
    assert values == sorted(values)
    assert trained.best_step == trained.curve[0].step == 2
    again = Training(setup(latents, Climber), silent, Checkpoints(None, 1))
    again.method.load_state_dict(trained.best)
    assert again.passes.validate(again.method, again.fixed) == values[0]
    assert not equal(trained.best, trained.last)


def test_averaged_weights_follow_the_formula(latents: Latents) -> None:
    config = SMALL.model_copy(update={"ema": 0.8, "steps": 3})
    seen: list[dict[str, Tensor]] = []
    training = Training(setup(latents, "regression", config), silent, Checkpoints(None, 1))
    average = {k: v.clone() for k, v in training.weights().items()}
    training.progress = lambda step, steps, loss: seen.append(training.weights())
    found = training.run()
    for step, weights in enumerate(seen, 1):
        decay = min(0.8, (1 + step) / (10 + step))
        average = {k: decay * average[k] + (1 - decay) * weights[k] for k in weights}
    for key, value in average.items():
        torch.testing.assert_close(found.last[key], value, rtol=1e-5, atol=1e-6)
    assert not equal(found.last, seen[-1])


def test_a_budget_of_flops_buys_equal_operations(latents: Latents) -> None:
    budget = TrainingConfig(**{**SMALL.model_dump(), "steps": None, "flops": 2e9})
    for name in ("regression", "parallel_tokens"):
        trained = train(setup(latents, name, budget))
        one = trained.flops / trained.steps
        assert 2e9 - one < trained.flops <= 2e9
    with pytest.raises(UserError, match=r"does not pay for one step of method 'regression'"):
        train(setup(latents, "regression", budget.model_copy(update={"flops": 10.0})))


def test_flops_are_those_of_the_matrix_products(latents: Latents) -> None:
    config = SMALL.model_copy(update={"steps": 2})
    training = Training(setup(latents, Sparring, config), silent, Checkpoints(None, 1))
    frames = training.fixed[0][0].batch.mask.numel()
    size = latents.codec.facts.dimension
    # The predictor: forward (twice, once for the critic) and its weight's gradient; the critic:
    # forward and backward twice, as its gap has one gradient and its weight the other.
    decoder = 2 * count_decoder(training)
    counted = training.step_flops - decoder
    assert counted == pytest.approx(2 * frames * size * (size * 3 + 2 + 2), rel=0.02)


def count_decoder(training: Training) -> float:
    from harness.flops import flop_counter

    with flop_counter() as counter:
        assert training.passes.decoder
        training.passes.decoder(training.fixed[0][0].batch.z)
    return float(counter.get_total_flops())


def test_critics_are_trained_by_their_own_loss_alone(latents: Latents) -> None:
    training = Training(setup(latents, Sparring), silent, Checkpoints(None, 1))
    start = {k: v.clone() for k, v in training.method.critic.state_dict().items()}  # type: ignore
    training.run()
    moved = training.method.critic.state_dict()  # type: ignore[union-attr]
    assert any(not torch.equal(start[key], moved[key]) for key in start)
    frozen = Training(replace(setup(latents, Sparring)), silent, Checkpoints(None, 1))
    frozen.critic_optimiser = None
    before = {k: v.clone() for k, v in frozen.method.critic.state_dict().items()}  # type: ignore
    frozen.run()
    assert equal(before, frozen.method.critic.state_dict())  # type: ignore[union-attr]
