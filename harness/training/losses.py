"""One pass of a loss: its precision, noise and batch, in training and validation alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.codecs.base import Codec
from harness.flops import flop_counter
from harness.training.batches import Part
from methods.base import Batch, Decode, Method

COUNTED = 8  # passes of which a step's cost is the mean
Loss = Callable[[Batch, torch.Generator], Tensor]
METHOD, CRITICS, VALIDATION = 0, 1, 2  # who draws noise: each has a stream of its own


class Passes:
    """Runs losses on a device in a precision, with the decoder for methods that need it."""

    def __init__(self, device: str, precision: str, decoder: Decode | None) -> None:
        self.device, self.decoder = torch.device(device), decoder
        self.half = precision == "bfloat16"

    def run(self, loss: Loss, batch: Batch, progress: float, noise: Sequence[int]) -> Tensor:
        """Return the scalar loss; `noise` are the numbers that seed its generator."""
        given = replace(batch.to(self.device), decoder=self.decoder, progress=progress)
        generator = torch.Generator(self.device).manual_seed(mix(noise))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            return loss(given, generator)

    @torch.no_grad()
    def validate(self, method: Method, batches: Sequence[Sequence[Part]]) -> float:
        """Return the mean loss over fixed batches with fixed noise, so that curves compare."""
        method.eval()
        total = 0.0
        for number, parts in enumerate(batches):
            for place, part in enumerate(parts):
                noise = (VALIDATION, number, place)
                total += self.run(method.loss, part.batch, 1.0, noise).item() * part.share
        method.train()
        return total / len(batches)

    def count_flops(self, method: Method, part: Part, train_critics: bool) -> float:
        """Return the floating-point operations of a step of which this is a part.

        Counted by torch: matrix products, convolutions and attention, forward and backward. A mean
        over the course of a training, for critics may enter late and what a step predicts, and so
        costs, may be drawn. Gradients are discarded.
        """
        losses = [method.loss, *([method.critic_loss] if train_critics else [])]
        with flop_counter() as counter:
            for number in range(COUNTED):
                for loss in losses:
                    progress, noise = (number + 0.5) / COUNTED, (VALIDATION, number)
                    torch.autograd.backward(self.run(loss, part.batch, progress, noise))
        method.zero_grad(set_to_none=True)
        return float(counter.get_total_flops()) / COUNTED / part.share


def mix(numbers: Sequence[int]) -> int:
    """Return one 64-bit seed for a sequence of numbers."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0])


def frozen_decoder(codec: Codec, device: str) -> Decode:
    """Return a codec's decoder on a device, in full precision: gradients pass it, none stay in it.

    The codec is moved to the device and frozen, so it must be the caller's own. Its audio is made
    as long as the frames: some codecs leave the last samples out.
    """
    frozen = codec.to(device).requires_grad_(False)
    for module in frozen.modules():
        if isinstance(module, nn.RNNBase):
            module.train()  # else cuDNN has no gradient; without dropout the result is the same

    def decode(latent: Tensor) -> Tensor:
        with torch.autocast(latent.device.type, enabled=False):
            wav = frozen.decode(latent.float())
        return functional.pad(wav, (0, latent.shape[1] * codec.hop - wav.shape[1]))

    return decode
