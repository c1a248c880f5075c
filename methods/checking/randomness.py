"""Checks of where a method's randomness comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from methods.base import Method
from methods.checking.findings import Failed, check
from methods.checking.subject import (
    SEEDS,
    WORLD_SEED,
    Subject,
    distance,
    loss,
    losses,
    random_states,
    run,
    seed_all,
    values,
)

OTHER_SEEDS = tuple(seed + 100 for seed in SEEDS)
Calls = list[tuple[str, Callable[[bool], Tensor]]]


class Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the initial seed of every generator that a random operation is given."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seeds: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Note generators among the arguments, and run the operation as it is."""
        given = (*args, *(kwargs or {}).values())
        self.seeds |= {v.initial_seed() for v in given if isinstance(v, torch.Generator)}
        return func(*args, **(kwargs or {}))


def calls(subject: Subject, method: Method) -> Calls:
    """Return what a method can be asked for, by function name; each takes: with other seeds?"""
    given, training = subject.inputs(), subject.batch()

    def sample(nfe: int) -> Callable[[bool], Tensor]:
        return lambda other: values(run(method, given, nfe, OTHER_SEEDS if other else SEEDS))

    def train(critic: bool) -> Callable[[bool], Tensor]:
        return lambda other: loss(method.train(), training, critic=critic, seed=103 if other else 3)

    found: Calls = [("resynthesize", sample(nfe)) for nfe in subject.nfes]
    return found + [("critic_loss" if c else "loss", train(c)) for c in losses(method)]


@check(
    "the global generators of torch, Python and NumPy are not used",
    "draw from the generators handed in (draw_normal, normal_like, uniform in methods.base)",
    at="resynthesize",
    after=("device", "training_loss"),
)
def global_rng(subject: Subject) -> None:
    """Compare the global generators' states before and after each function."""
    method = subject.build()
    for function, call in calls(subject, method):
        seed_all(WORLD_SEED)  # as every call does first, so any change is the method's
        before = random_states()
        call(False)
        names = ("torch's", "Python's", "NumPy's")
        used = [n for n, a, b in zip(names, before, random_states(), strict=True) if a != b]
        if used:
            raise Failed(f"{function} draws from {' and '.join(used)} global generator", function)


@check(
    "random numbers follow from the generators handed in",
    "use those generators, not one made or seeded in the method",
    at="resynthesize",
    after=("device", "training_loss"),
)
def own_generator(subject: Subject) -> None:
    """Look for a generator that is seeded alike when those handed in are not."""
    method = subject.build()
    for function, call in calls(subject, method):
        seeds = []
        for other in (False, True):
            with torch.no_grad(), Draws() as draws:
                call(other)
            seeds.append(draws.seeds)
        if seeds[0] & seeds[1]:
            seed = min(seeds[0] & seeds[1])
            raise Failed(f"{function} draws from a generator of its own, seeded {seed}", function)


@check(
    "same generators, same result, bit for bit",
    "keep nothing between calls, and draw from the generators handed in",
    at="resynthesize",
    after=("global_rng", "own_generator"),
)
def determinism(subject: Subject) -> None:
    """Call everything twice."""
    method = subject.build()
    for function, call in calls(subject, method):
        off = distance(call(False).detach(), call(False).detach())
        if off:
            raise Failed(f"the second call of {function} is off by {off:.2g}", function)
