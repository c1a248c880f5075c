"""Checks of what a method is asked for: network calls, and layers."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from methods import catalog
from methods.base import Inputs, Method, MethodError
from methods.checking.findings import Failed, NotApplicable, check
from methods.checking.invariance import TOLERANCE
from methods.checking.subject import Subject, distance, run, values
from methods.checking.world import D, N, separate_space

Asked = list[tuple[int | None, int]]  # layers, NFE


@check(
    "network calls are as many as asked for",
    "count every call of networks(), guidance and inner loops too, or declare another nfe",
    at="resynthesize",
    after=("device",),
)
def nfe(subject: Subject) -> str:
    """Count forward calls of the declared networks, from fewer layers too."""
    method = subject.build()
    asked: Asked = [(None, count) for count in subject.nfes]
    if subject.declaration.layered:
        asked += [(layers, subject.default_nfe(layers)) for layers in (1, 2, N)]
    for layers, count in asked:
        made = _count(method, _layered(subject.inputs(), layers), count)
        if made != count:
            place = "" if layers is None else f", from {layers} layers"
            raise Failed(f"it makes {made} network calls at NFE {count}{place}")
    return f"as many network calls as asked for: {', '.join(str(c) for c in subject.nfes)}"


def _count(method: Method, inputs: Inputs, count: int) -> int:
    """Return how many calls of its networks a method makes."""
    made: list[int] = []
    handles = [
        network.register_forward_pre_hook(lambda *_: made.append(1))
        for network in method.networks()
    ]
    run(method, inputs, count)
    for handle in handles:
        handle.remove()
    return len(made)


@check(
    "an NFE or layers it does not support are refused",
    "call self.check_request(inputs, nfe) first in resynthesize; it raises MethodError",
    at="resynthesize",
    after=("device",),
)
def refusals(subject: Subject) -> None:
    """Ask for what the declaration excludes."""
    method, declaration = subject.build(), subject.declaration
    wrong = [n for n in (-1, 0, 1, 3, 50) if not catalog.supports(declaration, n, N)]
    asked: Asked = [(None, n) for n in wrong]
    asked += [(layers, subject.default_nfe()) for layers in (0, N + 1)]
    if not declaration.layered:
        asked += [(layers, subject.default_nfe()) for layers in (1, N)]
    if declaration.layered and declaration.nfe == "N-1":
        asked += [(3, N - 1)]
    for layers, count in asked:
        try:
            run(method, _layered(subject.inputs(), layers), count)
        except MethodError:
            continue
        place = "" if layers is None else f" from {layers} layers"
        raise Failed(f"it accepts NFE {count}{place}")


@check(
    "from k layers: x1, and codes of codebooks 2..k alone",
    "with inputs.layers = k, return the embedding of x1 and the next k - 1 codes; None means all",
    at="resynthesize",
    after=("nfe", "determinism", "forbidden_inputs"),
)
def layers(subject: Subject) -> str:
    """Decode in a space where a sum of vectors shows each of them."""
    if not subject.declaration.layered:
        raise NotApplicable("it predicts no layers")
    space = separate_space()
    method, given = subject.build(space=space), subject.inputs(space)
    x1 = space.embed(given.x1.unsqueeze(1))[given.mask]
    for k in range(1, N + 1):
        result = values(run(method, _layered(given, k), subject.default_nfe(k)))[given.mask]
        own = _parts(result)
        first = distance(own[:, 0], x1[:, : D // N])
        if first > TOLERANCE:
            raise Failed(f"from {k} layers, x1's own part is off by {first:.2g}")
        for codebook in range(1, N):
            vectors = _parts(space.codebook(codebook))[:, codebook]
            allowed = vectors if codebook < k else torch.zeros(1, D // N)
            off = _nearest(own[:, codebook], allowed)
            if off > TOLERANCE:
                what = "a vector of" if codebook < k else "nothing of"
                raise Failed(
                    f"from {k} layers, it is off {what} codebook {codebook + 1}: {off:.2g}"
                )
    whole = values(run(method, given, subject.default_nfe()))[given.mask]
    if distance(whole, result) > TOLERANCE:
        raise Failed(f"layers = None is not layers = {N}")
    return f"from 1..{N} layers"


def _parts(vectors: Tensor) -> Tensor:
    """Split (n, D) into the dimensions (n, N, D / N) that each codebook owns."""
    return vectors.view(-1, N, D // N)


def _nearest(found: Tensor, allowed: Tensor) -> float:
    """Return how far the worst of found (n, d) is from the nearest of allowed (m, d)."""
    return float((found[:, None] - allowed).norm(dim=-1).min(dim=1).values.max())


def _layered(inputs: Inputs, count: int | None) -> Inputs:
    return replace(inputs, layers=count)
