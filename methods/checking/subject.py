"""The method under examination: how it is built, fed and run, always from the same seeds."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from methods import catalog
from methods.base import Audio, Batch, Inputs, LatentSpace, Method
from methods.checking.world import Extras, N, Touch, WatchedBatch, toy_batch, toy_extras, toy_space
from methods.declaration import Declaration
from methods.params import Backbone

SIZE = Backbone(layers=2, width=32, dropout=0.1)  # dropout acts in training alone
SEEDS = (5, 6, 7)
WORLD_SEED = 11  # of the global generators, before each call
States = tuple[bytes, str, str]


@dataclass
class Subject:
    """One method under its parameters, among the `known` methods a teacher is found in."""

    declaration: Declaration
    params: Mapping[str, Any]
    known: Mapping[str, Declaration]
    touched: list[Touch] = field(default_factory=list)

    @cached_property
    def method_class(self) -> type[Method]:
        """Import the method."""
        return catalog.load(self.declaration)

    @property
    def nfes(self) -> list[int]:
        """The NFE values it is checked at."""
        return [1, 4] if self.declaration.nfe == "any" else [self.default_nfe()]

    def default_nfe(self, layers: int | None = None) -> int:
        """Return the NFE of a config that names none."""
        return catalog.default_nfe(self.declaration, N, layers)

    def teacher(self) -> Subject | None:
        """Return the method this one starts from, under the parameters this one gives it."""
        if self.declaration.teacher is None:
            return None
        params = self.method_class.Params.model_validate(self.params).model_dump()
        found = catalog.get(self.declaration.teacher, self.known)
        return Subject(found, params.get("teacher", {}), self.known)

    def build(
        self,
        *,
        awake: bool = True,
        seed: int = 0,
        device: str = "cpu",
        space: LatentSpace | None = None,
        adopt: bool = True,
    ) -> Method:
        """Return the method in test mode, its untrained teacher adopted.

        Awake, its zero-initialised parameters are drawn too, as they would be after training.
        """
        seed_all(seed)
        params = self.method_class.Params.model_validate(self.params)
        method = self.method_class(params, space or toy_space(), SIZE).eval()
        if awake:
            with torch.no_grad():
                for parameter in method.parameters():
                    parameter.add_(0.05 * torch.randn_like(parameter))
        method.to(device)
        teacher = self.teacher() if adopt else None
        if teacher is not None:
            adopted = teacher.build(device=device, space=space)
            method.adopt(adopted.requires_grad_(False))
        return method

    def inputs(self, space: LatentSpace | None = None, device: str = "cpu") -> Inputs:
        """Return x1, and every extra behind a guard."""
        batch = toy_batch(space or toy_space()).to(device)
        declared = set(self.declaration.conditions_on)
        declared |= {"reference_rate"} if "reference" in declared else set()
        extras = {key: value.to(device) for key, value in toy_extras(batch).items()}
        given = {key: value for key, value in extras.items() if key in declared}
        withheld = {key: value for key, value in extras.items() if key not in declared}
        return Inputs(batch.codes[:, 0], batch.mask, Extras(given, withheld, self.touched))

    def batch(self, full: Batch | None = None) -> Batch:
        """Return a training batch with what the method needs; the rest behind a guard."""
        full = full or toy_batch(toy_space())
        needs = self.declaration.needs
        return WatchedBatch(
            full.codes,
            full.z,
            full.mask,
            full.wav if "audio" in needs else None,
            full.decoder if "decoder" in needs else None,
            withheld=full,
            touched=self.touched,
        )


def run(method: Method, inputs: Inputs, nfe: int, seeds: Sequence[int] = SEEDS) -> Tensor | Audio:
    """Resynthesize as the harness does, each utterance with a generator of its own seed."""
    seed_all(WORLD_SEED)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    with torch.inference_mode():
        return method.resynthesize(inputs, nfe, generators)


def values(result: Tensor | Audio) -> Tensor:
    """Return a result's latents (B, F, D) or samples (B, T)."""
    return result.samples if isinstance(result, Audio) else result


def loss(method: Method, batch: Batch, *, critic: bool = False, seed: int = 3) -> Tensor:
    """Return the loss, or the critics', as training calls it."""
    seed_all(WORLD_SEED)
    generator = torch.Generator().manual_seed(seed)
    function = method.critic_loss if critic else method.loss
    return function(batch, generator)


def losses(method: Method) -> list[bool]:
    """Return for each loss the method has whether it is the critics'."""
    if not method.trains:
        return []
    return [True, False] if method.critics() else [False]


def distance(first: Tensor, second: Tensor) -> float:
    """Return the greatest difference; infinite for other shapes, zero between two NaN."""
    if first.shape != second.shape:
        return float("inf")
    apart = (first.double().nan_to_num(1e9) - second.double().nan_to_num(1e9)).abs()
    return float(apart.max()) if apart.numel() else 0.0


def seed_all(seed: int) -> None:
    """Seed the global generators, so that what draws from them fails that one check alone."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def random_states() -> States:
    """Return the states of the global generators of torch, Python and NumPy."""
    python, numpy = repr(random.getstate()), repr(np.random.get_state())
    return torch.get_rng_state().numpy().tobytes(), python, numpy


@contextmanager
def undisturbed() -> Iterator[None]:
    """Give the caller's global random states back afterwards; meanwhile use one thread.

    Tensors this small gain nothing from more, and on a busy machine threads wait for each other.
    """
    python, numpy, threads = random.getstate(), np.random.get_state(), torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            torch.set_num_threads(threads)
