"""Train one method on one training subset: the same loop and budget for every method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from harness.config import TrainingConfig
from harness.errors import UserError
from harness.latents.files import Progress
from harness.latents.read import Latents
from harness.records import CurvePoint
from harness.training.batches import Loader, Part, sampler
from harness.training.checkpoints import Checkpoints, State
from harness.training.losses import CRITICS, METHOD, Loss, Passes
from harness.training.optimise import Average, divide, make_optimiser, set_rate
from harness.training.prefetch import prefetching
from harness.training.ranks import Ranks
from methods.base import Decode, LatentSpace, Method

NAMED_CROPS = 8
Build = Callable[[LatentSpace], Method]
Weights = dict[str, Tensor]


class TrainingDiverged(RuntimeError):
    """The loss or its gradient became NaN or infinite; the message names step and batch."""


@dataclass(frozen=True)
class Setup:
    """What one training is given: how to build the method, its space, data, budget and seed."""

    build: Build
    space: LatentSpace
    latents: Latents
    subset: Sequence[str]
    valid: Sequence[str]
    config: TrainingConfig
    seed: int
    teacher: Method | None = None
    make_decoder: Callable[[], Decode] | None = None


@dataclass(frozen=True)
class Trained:
    """The last weights and the best on validation, how they came about, and what they cost.

    `seconds` are of training alone, `stalled` of them waiting for batches.
    """

    method: Method
    last: Weights
    best: Weights
    best_step: int
    curve: tuple[CurvePoint, ...]
    steps: int
    frames: int
    flops: float
    seconds: float
    stalled: float


class Training:
    """One training under way. `progress(step, steps, loss)` is called every step.

    Same arguments, threads and machine: same weights, bit for bit, however often it was stopped
    and resumed from its checkpoint in between.
    """

    def __init__(
        self,
        setup: Setup,
        progress: Progress,
        checkpoints: Checkpoints,
        device: str = "cpu",
        ranks: Ranks = Ranks(),  # noqa: B008 (frozen)
    ) -> None:
        self.setup, self.config, self.progress = setup, setup.config, progress
        self.checkpoints, self.ranks = checkpoints, ranks
        torch.manual_seed(setup.seed)
        self.method = setup.build(setup.space).to(device).train()
        if setup.teacher is not None:
            self.method.adopt(setup.teacher.to(device).eval().requires_grad_(False))
        needed = setup.make_decoder if "decoder" in self.method.needs else None
        self.passes = Passes(device, self.config.precision, needed() if needed else None)
        self.own, self.critics = divide(self.method)
        self.optimiser = make_optimiser(self.own, self.config)
        self.critic_optimiser = make_optimiser(self.critics, self.config) if self.critics else None
        self.average = Average(self.own, self.config.ema)
        self.loader = Loader(setup.latents, "audio" in self.method.needs)
        self.shards = self.config.accumulate * ranks.count
        self.fixed = self.fixed_batches()
        self.step_flops = self.passes.count_flops(self.method, self.fixed[0][0], bool(self.critics))
        self.steps = self.affordable()
        self.step, self.frames, self.seconds, self.stalled = 0, 0, 0.0, 0.0
        self.losses: list[float] = []
        self.curve: list[CurvePoint] = []
        self.best: tuple[float, int, Weights] = (math.inf, 0, {})

    @property
    def segment(self) -> int:
        """A crop's length in frames."""
        return max(1, round(self.config.segment_seconds * self.setup.space.frame_rate))

    def fixed_batches(self) -> list[list[Part]]:
        """Return the validation crops that every trial of every method sees."""
        size, latents = self.config.batch_size, self.setup.latents
        crops = sampler(latents, self.setup.valid, self.segment, size, 0, self.config.accumulate)
        parts, count = range(self.config.accumulate), self.config.accumulate
        numbers = range(1, self.config.validate_batches + 1)
        return [self.loader.parts(crops.draw(number), parts, count) for number in numbers]

    def affordable(self) -> int:
        """Return the steps the budget pays for. Raises UserError if it pays for none."""
        if self.config.steps is not None:
            return self.config.steps
        assert self.config.flops is not None
        steps = int(self.config.flops // self.step_flops)
        if steps < 1:
            raise UserError(
                f"training.flops {self.config.flops:g} does not pay for one step of method "
                f"'{self.method.name}' ({self.step_flops:.3g}); raise it"
            )
        return steps

    def run(self) -> Trained:
        """Train to the end of the budget, from the last checkpoint if there is one.

        Raises TrainingDiverged.
        """
        self.restore(self.checkpoints.load())
        # Compiled after the operations were counted, which a compiled network would hide.
        for network in self.method.networks() if self.config.compile else ():
            network.compile(dynamic=True)
        setup, size, mine = self.setup, self.config.batch_size, self.own_shards()
        crops = sampler(setup.latents, setup.subset, self.segment, size, setup.seed, self.shards)
        before = self.stalled

        def make(step: int) -> tuple[list[str], int, list[Part]]:
            drawn = crops.draw(step)
            parts = self.loader.parts(drawn, mine, self.shards)
            return [str(crop) for crop in drawn], sum(crop.length for crop in drawn), parts

        with prefetching(make, self.step + 1, self.steps, self.config.prefetch) as batches:
            while self.step < self.steps:
                started = time.perf_counter()
                names, frames, parts = batches.next()
                self.advance(names, parts)
                self.frames += frames
                self.seconds += time.perf_counter() - started
                self.stalled = before + batches.stalled
                self.review()
        return self.result()

    def own_shards(self) -> range:
        """Return which parts of every batch this rank computes."""
        count = self.config.accumulate
        return range(self.ranks.rank * count, (self.ranks.rank + 1) * count)

    def advance(self, names: Sequence[str], parts: Sequence[Part]) -> None:
        """Take one step: the critics first, if there are any, then the method."""
        self.step += 1
        method, place = self.method, f"step {self.step} on {listed(names)}"
        if self.critic_optimiser is not None:
            set_rate(self.critic_optimiser, self.step, self.steps, self.config)
            critic_loss = method.critic_loss
            self.update(self.critic_optimiser, self.critics, critic_loss, CRITICS, parts, place)
        set_rate(self.optimiser, self.step, self.steps, self.config)
        for parameter in self.critics:
            parameter.requires_grad_(False)
        loss = self.update(self.optimiser, self.own, method.loss, METHOD, parts, place)
        for parameter in self.critics:
            parameter.requires_grad_(True)
        self.losses.append(loss)
        self.average.update(self.step)

    def update(
        self,
        optimiser: torch.optim.Optimizer,
        parameters: Sequence[nn.Parameter],
        loss: Loss,
        player: int,
        parts: Sequence[Part],
        place: str,
    ) -> float:
        """Take one optimiser step and return the loss. Raises TrainingDiverged."""
        optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.passes.device)
        for shard, part in zip(self.own_shards(), parts, strict=True):
            noise = (player, self.setup.seed, self.step, shard)
            progress = (self.step - 1) / self.steps
            value = self.passes.run(loss, part.batch, progress, noise) * part.share
            torch.autograd.backward(value)
            total += value.detach()
        self.ranks.add_gradients(parameters)
        found = self.ranks.add(total).item()
        norm = nn.utils.clip_grad_norm_(parameters, self.config.clip_norm).item()
        for name, number in (("loss", found), ("gradient norm", norm)):
            if not math.isfinite(number):
                raise TrainingDiverged(
                    f"{name} is {number} at {place}; lower training.learning_rate"
                )
        optimiser.step()
        return found

    def review(self) -> None:
        """After a step: report, validate where it is due, and save where it is time."""
        self.progress(self.step, self.steps, self.losses[-1])
        if self.step % self.config.validate_every == 0 or self.step == self.steps:
            self.validate()
        if self.ranks.first and self.checkpoints.due and self.step < self.steps:
            self.checkpoints.save(self.state())

    def validate(self) -> None:
        """Add a point to the learning curve, and keep the weights if they are the best so far."""
        with self.average.applied():
            value = self.passes.validate(self.method, self.fixed)
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"validation loss is {value} at step {self.step}; lower training.learning_rate"
                )
            if value < self.best[0]:
                self.best = (value, self.step, self.weights())
        mean = float(np.mean(self.losses))
        self.curve.append(CurvePoint(step=self.step, seconds=self.seconds, train=mean, valid=value))
        self.losses.clear()

    def weights(self) -> Weights:
        """Return a copy of the weights as they are now, on the CPU."""
        return {
            name: value.detach().to("cpu", copy=True)
            for name, value in self.method.state_dict().items()
        }

    def state(self) -> State:
        """Return all that `restore` needs."""
        optimisers = [o.state_dict() for o in (self.optimiser, self.critic_optimiser) if o]
        return {
            "weights": self.method.state_dict(),
            "optimisers": optimisers,
            "average": self.average.weights,
            "numbers": [self.step, self.frames, self.seconds, self.stalled],
            "losses": self.losses,
            "curve": [point.model_dump() for point in self.curve],
            "best": list(self.best),
        }

    def restore(self, state: State | None) -> None:
        """Go on from a state; without one, from the start."""
        if state is None:
            return
        self.method.load_state_dict(state["weights"])
        optimisers = [o for o in (self.optimiser, self.critic_optimiser) if o]
        for optimiser, own in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(own)
        for average, own in zip(self.average.weights, state["average"], strict=True):
            average.copy_(own)
        self.step, self.frames, self.seconds, self.stalled = state["numbers"]
        self.losses, self.best = list(state["losses"]), tuple(state["best"])
        self.curve = [CurvePoint(**point) for point in state["curve"]]

    def result(self) -> Trained:
        """Return the finished training."""
        with self.average.applied():
            last = self.weights()
        _, best_step, best = self.best
        return Trained(
            method=self.method.eval(),
            last=last,
            best=best,
            best_step=best_step,
            curve=tuple(self.curve),
            steps=self.steps,
            frames=self.frames,
            flops=self.step_flops * self.steps,
            seconds=self.seconds,
            stalled=self.stalled,
        )


def listed(names: Sequence[str]) -> str:
    """Name the crops of a batch, or the first few of many."""
    more = f" and {len(names) - NAMED_CROPS} more" if len(names) > NAMED_CROPS else ""
    return ", ".join(names[:NAMED_CROPS]) + more
