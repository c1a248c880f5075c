"""Checks of what `resynthesize` returns."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from methods.base import Audio
from methods.checking.findings import Failed, check
from methods.checking.subject import Subject, loss, losses, run, values
from methods.checking.world import (
    FRAME_RATE,
    FRAMES,
    LENGTHS,
    REFERENCE_HOP,
    REFERENCE_RATE,
    D,
)


@check(
    "latents (B, F, D), or audio (B, T) with its rate",
    "return what Method.resynthesize promises",
    at="resynthesize",
    after=("construction", "teacher"),
)
def shape(subject: Subject) -> str:
    """Run it; audio is as long as its frames, or as the reference where it conditions on that."""
    seen = ""
    for nfe in subject.nfes:
        result = run(subject.build(), subject.inputs(), nfe)
        seen = _latents(result) if isinstance(result, Tensor) else _audio(result, subject)
    return seen


def _latents(result: Tensor) -> str:
    if tuple(result.shape) != (len(LENGTHS), FRAMES, D):
        raise Failed(f"latents are {tuple(result.shape)}, not {(len(LENGTHS), FRAMES, D)}")
    return f"latents {tuple(result.shape)}"


def _audio(result: object, subject: Subject) -> str:
    if not isinstance(result, Audio) or not isinstance(result.samples, Tensor):
        raise Failed(f"it returns {type(result).__name__}, not a Tensor or Audio")
    rate = result.sample_rate
    if type(rate) is not int or rate <= 0:
        raise Failed(f"the sample rate is {rate!r}, not a whole number of Hz")
    wanted = (len(LENGTHS), round(FRAMES * rate / FRAME_RATE))
    if "reference" in subject.declaration.conditions_on and rate == REFERENCE_RATE:
        wanted = (len(LENGTHS), FRAMES * REFERENCE_HOP)
    if tuple(result.samples.shape) != wanted:
        raise Failed(f"audio at {rate} Hz is {tuple(result.samples.shape)}, not {wanted}")
    return f"audio {wanted} at {rate} Hz"


@check(
    "works and stays on the device it is given",
    "make every tensor on the device of the inputs (noise: draw_normal, normal_like)",
    at="resynthesize",
    after=("shape",),
)
def device(subject: Subject) -> str:
    """Run it, and its losses, on the CPU and, where there is one, on a CUDA device."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for name in devices:
        method, given = subject.build(device=name), subject.inputs(device=name)
        for nfe in subject.nfes:
            found = values(run(method, given, nfe)).device.type
            if found != name:
                raise Failed(f"inputs are on {name}, the result is on {found}")
        if name != "cpu":
            for critic in losses(method):
                loss(method, subject.batch().to(name), critic=critic)
    return " and ".join(devices)


@check(
    "float32",
    "return float32, whatever is computed in between",
    at="resynthesize",
    after=("device",),
)
def dtype(subject: Subject) -> None:
    """Look at the result's type."""
    for result, nfe in _results(subject):
        if result.dtype != torch.float32:
            raise Failed(f"the result is {result.dtype} at NFE {nfe}, not torch.float32")


@check(
    "no NaN and no infinite value",
    "look for a division by zero, a logarithm of zero or an exponential that overflows",
    at="resynthesize",
    after=("device",),
)
def finite(subject: Subject) -> None:
    """Look for NaN and infinity, on padding too."""
    for result, nfe in _results(subject):
        bad = int((~result.isfinite()).sum())
        if bad:
            raise Failed(f"{bad} of {result.numel()} values are NaN or infinite at NFE {nfe}")


@check(
    "zero past an utterance's end",
    "multiply latents by inputs.mask.unsqueeze(-1); set samples past the last real frame to zero",
    at="resynthesize",
    after=("device",),
)
def padded_output(subject: Subject) -> str:
    """Look at padding; copies of the reference have its own length."""
    if "reference" in subject.declaration.conditions_on:
        return "as long as the reference it conditions on"
    for result, nfe in _results(subject):
        for row, length in enumerate(LENGTHS):
            rest = result[row, length * result.shape[1] // FRAMES :].nan_to_num(0)
            if bool((rest != 0).any()):
                most = float(rest.abs().max())
                raise Failed(f"padding holds values up to {most:.2g} at NFE {nfe}")
    return "zero past an utterance's end"


def _results(subject: Subject) -> Iterator[tuple[Tensor, int]]:
    method = subject.build()
    for nfe in subject.nfes:
        yield values(run(method, subject.inputs(), nfe)), nfe
