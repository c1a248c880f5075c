"""Train one method on one training subset: the same loop and budget for every method."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from harness.batches import CropBatches
from harness.config import TrainingConfig
from harness.latents.files import Progress
from harness.latents.read import Latents
from harness.records import CurvePoint
from methods.base import Batch, LatentSpace, Method

VALID_BATCHES = 4


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class Trained:
    """A trained method, its learning curve, and the frames it has seen."""

    method: Method
    curve: tuple[CurvePoint, ...]
    frames: int


Build = Callable[[LatentSpace], Method]


def train(
    build: Build,
    space: LatentSpace,
    latents: Latents,
    subset: Sequence[str],
    valid: Sequence[str],
    config: TrainingConfig,
    seed: int,
    progress: Progress,
    device: str = "cpu",
) -> Trained:
    """Train and return a method; `progress(step, steps, loss)` is called every step.

    Same arguments, threads and machine: same weights, bit for bit. Raises TrainingDiverged.
    """
    torch.manual_seed(seed)
    method = build(space).to(device)
    frames = max(1, round(config.segment_seconds * space.frame_rate))
    batches = CropBatches(latents, subset, frames, config.batch_size, seed)
    fixed = [b.to(device) for b in fixed_batches(latents, valid, frames, config.batch_size)]
    optimiser = torch.optim.AdamW(
        method.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate(step, config))
    generator = torch.Generator().manual_seed(seed)
    curve: list[CurvePoint] = []
    losses: list[float] = []
    started, seen = time.monotonic(), 0
    for step in range(1, config.steps + 1):
        batch = batches.draw().to(device)
        losses.append(update(method, batch, optimiser, generator, config))
        rate.step()
        seen += int(batch.mask.sum())
        if not np.isfinite(losses[-1]):
            raise TrainingDiverged(
                f"loss is {losses[-1]} at step {step}; lower training.learning_rate"
            )
        progress(step, config.steps, losses[-1])
        if step % config.validate_every == 0 or step == config.steps:
            value = validate(method, fixed, config)
            seconds = time.monotonic() - started
            mean = float(np.mean(losses))
            curve.append(CurvePoint(step=step, seconds=seconds, train=mean, valid=value))
            losses.clear()
    return Trained(method.eval().cpu(), tuple(curve), seen)


def update(
    method: Method,
    batch: Batch,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
    config: TrainingConfig,
) -> float:
    """Take one optimiser step and return the loss."""
    method.train()
    optimiser.zero_grad(set_to_none=True)
    loss = compute_loss(method, batch, generator, config)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(method.parameters(), config.clip_norm)
    optimiser.step()
    return loss.item()


def compute_loss(
    method: Method, batch: Batch, generator: torch.Generator, config: TrainingConfig
) -> torch.Tensor:
    """Return the loss under the configured precision."""
    half = config.precision == "bfloat16"
    with torch.autocast(batch.z.device.type, torch.bfloat16, enabled=half):
        return method.loss(batch, generator)


@torch.no_grad()
def validate(method: Method, batches: Sequence[Batch], config: TrainingConfig) -> float:
    """Return the mean loss over fixed batches with fixed noise, so that curves compare."""
    method.eval()
    generator = torch.Generator().manual_seed(0)
    return float(np.mean([compute_loss(method, b, generator, config).item() for b in batches]))


def fixed_batches(latents: Latents, valid: Sequence[str], frames: int, size: int) -> list[Batch]:
    """Return the same validation crops for every trial."""
    sampler = CropBatches(latents, valid, frames, size, seed=0)
    return [sampler.draw() for _ in range(VALID_BATCHES)]


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Linear warm-up, then a cosine to 5 % of the peak."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return warm * float(0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * step / config.steps)))
