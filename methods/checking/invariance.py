"""Checks that neither batch mates nor padding change a result or a loss."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from methods.base import Inputs, Method
from methods.checking.findings import Failed, NotApplicable, check
from methods.checking.subject import SEEDS, Subject, distance, loss, losses, run, values
from methods.checking.world import FRAMES, LENGTHS, K, narrow, repadded, toy_batch, toy_space

TOLERANCE = 1e-4  # of the largest value, or of 1: float32 sums in another order


@check(
    "same utterance, same result, whatever it is batched with",
    "compute nothing across utterances; draw utterance i's noise from generators[i]",
    at="resynthesize",
    after=("determinism", "forbidden_inputs"),
)
def batch(subject: Subject) -> str:
    """Compare each utterance among others with the same one alone, as wide and as padded."""
    worst = 0.0
    method, given = subject.build(), subject.inputs()
    for nfe in subject.nfes:
        together = values(run(method, given, nfe))
        for row in range(len(LENGTHS)):
            alone = _alone(method, given, row, FRAMES, nfe)
            worst = max(worst, _off(alone, together[row : row + 1]))
            if worst > TOLERANCE:
                raise Failed(f"alone, utterance {row} is off by {worst:.2g} at NFE {nfe}")
    return f"alone and among others: off by {worst:.1g} at most"


@check(
    "padding changes nothing",
    "keep padded frames out of every sum over frames (Encoder's mask does), and out of noise",
    at="resynthesize",
    after=("determinism", "forbidden_inputs"),
)
def padding(subject: Subject) -> str:
    """Compare each utterance cut to its length with itself padded, with codes 0 and K - 1."""
    worst = 0.0
    method, given = subject.build(), subject.inputs()
    for nfe, (row, length) in [(n, pair) for n in subject.nfes for pair in enumerate(LENGTHS)]:
        cut = _alone(method, given, row, length, nfe)
        for code in (0, K - 1):
            filled = torch.where(given.mask, given.x1, code)
            other = replace(given, x1=filled)
            padded = _alone(method, other, row, FRAMES, nfe)[:, : cut.shape[1]]
            worst = max(worst, _off(cut, padded))
        if worst > TOLERANCE:
            raise Failed(f"padded, {length} frames are off by {worst:.2g} at NFE {nfe}")
    return f"padded and cut: off by {worst:.1g} at most"


def _off(first: Tensor, second: Tensor) -> float:
    """Return the distance of two results in units of the largest value, or of 1."""
    largest = float(first.abs().nan_to_num(0, 0, 0).max()) if first.numel() else 0.0
    return distance(first, second) / max(1.0, largest)


def _alone(method: Method, given: Inputs, row: int, frames: int, nfe: int) -> Tensor:
    return values(run(method, narrow(given, row, frames), nfe, SEEDS[row : row + 1]))


@check(
    "what stands on padding changes no loss",
    "average over real frames alone (masked_mean); silence audio past each utterance's end",
    at="loss",
    after=("training_loss", "determinism"),
)
def loss_padding(subject: Subject) -> str:
    """Compare losses with other codes, z and audio on padding."""
    if not subject.declaration.trains:
        raise NotApplicable("it trains nothing")
    method, worst = subject.build().train(), 0.0
    full = toy_batch(toy_space())
    for critic in losses(method):
        plain = loss(method, subject.batch(full), critic=critic)
        other = loss(method, subject.batch(repadded(full)), critic=critic)
        off = _off(plain.detach(), other.detach())
        if off > TOLERANCE:
            function = "critic_loss" if critic else "loss"
            raise Failed(f"other padding changes {function} by {off:.2g}", function)
        worst = max(worst, off)
    return f"other padding: off by {worst:.1g} at most"
