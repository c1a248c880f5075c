"""What every method must do, built in or plugged in; a new file in methods/ is tested by itself."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from methods import catalog
from methods.base import Audio, Batch, Inputs, LatentSpace, Method
from methods.params import Backbone, MethodError

N, K, D, FRAMES = 8, 32, 16, 24
LENGTHS = [24, 15, 1]
METHODS = catalog.discover()
VARIANTS: list[tuple[str, dict[str, object]]] = [
    ("bridge", {"prediction": "eps"}),
    ("bridge", {"deterministic": True}),
    ("coarse_to_fine", {"temperature": 1.0}),
    ("parallel_tokens", {"temperature": 0.7}),
    ("regression", {"target": "embedding", "loss": "l1"}),
]
CASES = [pytest.param(name, {}, id=name) for name in METHODS]
CASES += [pytest.param(name, p, id=f"{name}-{'-'.join(map(str, p))}") for name, p in VARIANTS]
every_method = pytest.mark.parametrize(("name", "params"), CASES)
TRAINED = [case for case in CASES if METHODS[str(case.values[0])].trains]
every_trained = pytest.mark.parametrize(("name", "params"), TRAINED)


class Extras(Mapping[str, Tensor]):
    """Every extra there is, which fails when one that was not declared is read."""

    def __init__(self, values: Mapping[str, Tensor], declared: Sequence[str]) -> None:
        rate = ("reference_rate",) if "reference" in declared else ()
        self.values_, self.allowed = values, {*declared, *rate}

    def __getitem__(self, key: str) -> Tensor:
        assert key in self.allowed, f"'{key}' is not in conditions_on"
        return self.values_[key]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("a method may read only the extras it declares, by name")

    def __len__(self) -> int:
        raise AssertionError("a method may read only the extras it declares, by name")


def space() -> LatentSpace:
    generator = torch.Generator().manual_seed(1)
    scale = 0.7 ** torch.arange(N)[:, None, None]
    books = scale * torch.randn(N, K, D, generator=generator)
    return LatentSpace(books, torch.linspace(-1, 1, D), torch.linspace(0.5, 2, D), 75.0)


def build(name: str, params: dict[str, object], *, awake: bool = True) -> Method:
    """A method in test mode; awake: its zero-initialised parameters are drawn too."""
    torch.manual_seed(0)
    method_class = catalog.load(METHODS[name])
    chosen = method_class.Params.model_validate(params)
    method = method_class(chosen, space(), Backbone(layers=2, width=32)).eval()
    if awake:
        with torch.no_grad():
            for parameter in method.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return method


def batch() -> Batch:
    generator = torch.Generator().manual_seed(2)
    codes = torch.randint(0, K, (len(LENGTHS), N, FRAMES), generator=generator)
    z = space().embed(codes) + 0.1 * torch.randn(len(LENGTHS), FRAMES, D, generator=generator)
    return Batch(codes, z, torch.arange(FRAMES) < torch.tensor(LENGTHS)[:, None])


def inputs(name: str) -> Inputs:
    full = batch()
    audio = torch.linspace(-1, 1, len(LENGTHS) * FRAMES * 4).view(len(LENGTHS), -1)
    rate = torch.tensor(300)
    values = {"codes": full.codes, "z": full.z, "reference": audio, "reference_rate": rate}
    return Inputs(full.codes[:, 0], full.mask, Extras(values, METHODS[name].conditions_on))


def narrow(full: Inputs, row: int, frames: int, name: str) -> Inputs:
    """One utterance of `full`, cut to `frames`."""
    declared = METHODS[name].conditions_on
    cut = {}
    for key in [key for key in declared if key != "x1"]:
        value = full.extras[key][row : row + 1]
        cut[key] = value[:, :frames] if key == "z" else value[..., :frames]
        cut[key] = value if key == "reference" else cut[key]
    if "reference" in declared:
        cut["reference_rate"] = full.extras["reference_rate"]
    one = slice(row, row + 1)
    return Inputs(full.x1[one, :frames], full.mask[one, :frames], Extras(cut, declared))


def run(method: Method, given: Inputs, nfe: int, seeds: Sequence[int] = (5, 6, 7)) -> Tensor:
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    with torch.no_grad():
        result = method.resynthesize(given, nfe, generators)
    if isinstance(result, Audio):
        assert isinstance(result.sample_rate, int)
        return result.samples
    return result


def nfes(name: str) -> list[int]:
    return [1, 4] if METHODS[name].nfe == "any" else [catalog.default_nfe(METHODS[name], N)]


def random_states() -> tuple[bytes, str, str]:
    """The global generators of torch, Python and NumPy."""
    python, numpy = repr(random.getstate()), repr(np.random.get_state())
    return torch.get_rng_state().numpy().tobytes(), python, numpy


@every_method
def test_result_is_deterministic_finite_and_zero_on_padding(
    name: str, params: dict[str, object]
) -> None:
    method, given = build(name, params), inputs(name)
    for nfe in nfes(name):
        before = random_states()
        result = run(method, given, nfe)
        assert random_states() == before, "a result may draw only from its generators"
        torch.manual_seed(99)
        assert torch.equal(run(method, given, nfe), result)
        assert result.dtype == torch.float32 and bool(result.isfinite().all())
        if "reference" not in METHODS[name].conditions_on:
            assert result.shape == (len(LENGTHS), FRAMES, D)
            assert bool((result[~given.mask] == 0).all())


@every_method
def test_result_depends_neither_on_the_batch_nor_on_padding(
    name: str, params: dict[str, object]
) -> None:
    method, given = build(name, params), inputs(name)
    for nfe in nfes(name):
        together = run(method, given, nfe)
        for row, length in enumerate(LENGTHS):
            for frames in (length, FRAMES):
                alone = run(method, narrow(given, row, frames, name), nfe, [5 + row])
                kept = together[row : row + 1, : alone.shape[1]]
                torch.testing.assert_close(alone, kept, rtol=0, atol=1e-4)


@every_method
def test_padded_codes_do_not_matter(name: str, params: dict[str, object]) -> None:
    method, given = build(name, params), inputs(name)
    other = replace(given, x1=torch.where(given.mask, given.x1, K - 1))
    for nfe in nfes(name):
        torch.testing.assert_close(
            run(method, other, nfe), run(method, given, nfe), rtol=0, atol=1e-4
        )


@every_method
def test_nfe_is_what_is_declared(name: str, params: dict[str, object]) -> None:
    method = build(name, params)
    calls: list[nn.Module] = []
    for network in method.networks():
        network.register_forward_hook(lambda module, *_: calls.append(module))
    for nfe in nfes(name):
        calls.clear()
        run(method, inputs(name), nfe)
        assert len(calls) == nfe
    for wrong in [n for n in (-1, 0, 1, 3, 50) if not catalog.supports(METHODS[name], n, N)]:
        with pytest.raises(MethodError, match=f"does not support NFE {wrong}"):
            run(method, inputs(name), wrong)


@every_method
def test_state_survives_a_file(name: str, params: dict[str, object], tmp_path: Path) -> None:
    method = build(name, params)
    save_file(method.state_dict(), tmp_path / "state.safetensors")
    again = build(name, params, awake=False)
    again.load_state_dict(load_file(tmp_path / "state.safetensors"))
    for nfe in nfes(name):
        assert torch.equal(run(again, inputs(name), nfe), run(method, inputs(name), nfe))


@every_trained
def test_gradients_reach_every_parameter(name: str, params: dict[str, object]) -> None:
    # Several steps: what follows a zero-initialised layer, or a codebook's head, comes later.
    method, generator = build(name, params, awake=False).train(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.SGD(method.parameters(), lr=0.01)
    missing = {key for key, _ in method.named_parameters()}
    for _ in range(60):
        optimiser.zero_grad()
        torch.autograd.backward(method.loss(batch(), generator))
        optimiser.step()
        gradients = {key: p.grad for key, p in method.named_parameters() if p.grad is not None}
        missing -= {key for key, gradient in gradients.items() if gradient.abs().max() > 0}
        if not missing:
            return
    assert not missing


@every_trained
def test_loss_depends_on_its_generator_alone(name: str, params: dict[str, object]) -> None:
    method = build(name, params).train()
    before = random_states()
    first = method.loss(batch(), torch.Generator().manual_seed(3))
    assert random_states() == before
    torch.manual_seed(99)
    assert torch.equal(first, method.loss(batch(), torch.Generator().manual_seed(3)))
    assert first.dim() == 0 and bool(first.isfinite())


@every_trained
def test_loss_ignores_padding(name: str, params: dict[str, object]) -> None:
    method, full = build(name, params).train(), batch()
    real = full.mask
    codes = torch.where(real[:, None], full.codes, K - 1)
    other = Batch(codes, torch.where(real[..., None], full.z, 50.0), real)
    losses = [method.loss(b, torch.Generator().manual_seed(3)) for b in (full, other)]
    torch.testing.assert_close(*losses, rtol=0, atol=1e-4)


@every_method
def test_anchors_do_not_train(name: str, params: dict[str, object]) -> None:
    if not METHODS[name].trains:
        method = build(name, params)
        assert not list(method.parameters()) and not method.networks()
        with pytest.raises(MethodError, match="does not train"):
            method.loss(batch(), torch.Generator())
