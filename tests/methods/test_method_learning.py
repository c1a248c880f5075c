"""Each method can learn: on four sequences it must come far below the coarse anchor's error."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from methods import catalog
from methods.base import Batch, Inputs, LatentSpace, Method
from methods.params import Backbone

N, K, D, FRAMES = 4, 16, 8, 30


def data() -> tuple[LatentSpace, Batch]:
    """Four sequences whose finer codes follow from nothing but must be remembered."""
    generator = torch.Generator().manual_seed(0)
    books = 0.6 ** torch.arange(N)[:, None, None] * torch.randn(N, K, D, generator=generator)
    codes = torch.randint(0, K, (4, N, FRAMES), generator=generator)
    plain = LatentSpace(books, torch.zeros(D), torch.ones(D), 75.0, 24_000)
    z = plain.embed(codes) + 0.05 * torch.randn(4, FRAMES, D, generator=generator)
    flat = z.flatten(0, 1)
    mask = torch.ones(4, FRAMES, dtype=torch.bool)
    return LatentSpace(books, flat.mean(0), flat.std(0), 75.0, 24_000), Batch(codes, z, mask)


def resynthesize(method: Method, batch: Batch, nfe: int) -> Tensor:
    generators = [torch.Generator().manual_seed(seed) for seed in range(4)]
    with torch.no_grad():
        result = method.eval().resynthesize(Inputs(batch.codes[:, 0], batch.mask), nfe, generators)
    assert isinstance(result, Tensor)
    return result


def trained(name: str, params: dict[str, object], steps: int) -> tuple[Method, Batch, Tensor]:
    """Return the method after training, its data, and the coarse anchor's squared error."""
    torch.manual_seed(0)
    space, batch = data()
    method_class = catalog.load(catalog.get(name))
    chosen = method_class.Params.model_validate(params)
    method = method_class(chosen, space, Backbone(layers=2, width=64)).train()
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(method.parameters(), lr=2e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.autograd.backward(method.loss(batch, generator))
        optimiser.step()
    coarse = (space.embed(batch.codes[:, :1]) - batch.z).square().mean()
    return method, batch, coarse


@pytest.mark.parametrize("name", ["regression", "bridge"])
def test_untrained_latent_methods_start_at_coarse(name: str) -> None:
    method, batch, coarse = trained(name, {}, steps=0)
    error = (resynthesize(method, batch, 1) - batch.z).square().mean()
    torch.testing.assert_close(error, coarse)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "params", "steps"),
    [
        ("regression", {}, 300),
        ("regression", {"loss": "l1"}, 300),
        ("bridge", {}, 600),
        ("bridge", {"prediction": "eps"}, 600),
        ("bridge", {"deterministic": True}, 600),
    ],
)
def test_latent_methods_overfit(name: str, params: dict[str, object], steps: int) -> None:
    method, batch, coarse = trained(name, params, steps)
    for nfe in [1] if name == "regression" else [1, 4, 16]:
        error = (resynthesize(method, batch, nfe) - batch.z).square().mean()
        print(name, params, nfe, float(error / coarse))
        assert error < 0.2 * coarse, f"NFE {nfe}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "nfe", "steps"), [("parallel_tokens", 1, 300), ("coarse_to_fine", N - 1, 500)]
)
def test_token_methods_overfit(name: str, nfe: int, steps: int) -> None:
    method, batch, coarse = trained(name, {}, steps)
    latent = resynthesize(method, batch, nfe)
    exact = method.space.embed(batch.codes)
    right = ((latent - exact).abs().amax(-1) < 1e-4).float().mean()
    print(name, float(right))
    assert right > 0.95
    assert (latent - batch.z).square().mean() < 0.2 * coarse
