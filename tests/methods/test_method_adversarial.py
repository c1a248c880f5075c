"""Critics: what they count, whom their losses train, and what they add to a regression."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from methods.adversarial_regression import AdversarialRegression
from methods.base import Backbone, Batch, Inputs, LatentSpace, Method
from methods.nets.discriminators import LatentCritic, SpectralCritic, Verdict, contest, persuade
from methods.nets.spectral import silence

N, K, D, FRAMES, HOP = 3, 8, 6, 30, 320
LENGTHS = (30, 12, 1)
OBJECTIVES = ["hinge", "least_squares"]


def latent_space() -> LatentSpace:
    generator = torch.Generator().manual_seed(0)
    books = 0.6 ** torch.arange(N)[:, None, None] * torch.randn(N, K, D, generator=generator)
    return LatentSpace(books, torch.zeros(D), torch.ones(D), 75.0, 24_000)


def decoder(latent: Tensor) -> Tensor:
    """A toy decoder: each dimension is a tone's loudness in the frame."""
    times = torch.arange(latent.shape[1] * HOP) / 24_000
    tones = torch.sin(2 * torch.pi * 400 * torch.arange(1, D + 1)[:, None] * times)
    return 0.1 * (latent.repeat_interleave(HOP, dim=1) * tones.T).sum(-1)


def training_batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(0, K, (len(LENGTHS), N, FRAMES), generator=generator)
    z = latent_space().embed(codes)
    mask = torch.arange(FRAMES) < torch.tensor(LENGTHS)[:, None]
    return Batch(codes, z, mask, wav=silence(decoder(z), mask), decoder=decoder)


def build(params: dict[str, object], width: int = 32) -> AdversarialRegression:
    torch.manual_seed(0)
    chosen = AdversarialRegression.Params.model_validate(params)
    return AdversarialRegression(chosen, latent_space(), Backbone(layers=1, width=width)).train()


def critic_parameters(method: Method) -> dict[str, nn.Parameter]:
    inside = {id(p) for critic in method.critics() for p in critic.parameters()}
    return {name: p for name, p in method.named_parameters() if id(p) in inside}


def train(method: Method, batch: Batch, steps: int, fresh: bool = False) -> None:
    """Steps as a training loop takes them: the critic's first, then the method's."""
    judges = set(critic_parameters(method))
    own = [p for name, p in method.named_parameters() if name not in judges]
    ours = torch.optim.AdamW(own, lr=2e-3, betas=(0.8, 0.99))
    theirs = torch.optim.AdamW(critic_parameters(method).values(), lr=2e-3, betas=(0.8, 0.99))
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        now = bimodal(generator) if fresh else replace(batch, progress=step / steps)
        for compute, optimiser in ((method.critic_loss, theirs), (method.loss, ours)):
            optimiser.zero_grad()
            torch.autograd.backward(compute(now, generator))
            optimiser.step()


def resynthesize(method: Method, batch: Batch, seed: int = 0) -> Tensor:
    generators = [torch.Generator().manual_seed(seed + row) for row in range(len(batch.mask))]
    with torch.no_grad():
        result = method.eval().resynthesize(Inputs(batch.codes[:, 0], batch.mask), 1, generators)
    assert isinstance(result, Tensor)
    return result


class Scale(nn.Module):
    """The least critic there is: one weight, its product with the input being feature and score."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, places: Tensor, mask: Tensor) -> list[Verdict]:
        return [Verdict(self.weight * places, (self.weight * places,), mask)]


def test_objectives_by_hand_on_real_places_only() -> None:
    mask = torch.tensor([[[True, True, False]]])
    real, fake = torch.tensor([[[1.0, 0.25, 9.0]]]), torch.tensor([[[-1.0, 0.5, -9.0]]])
    sides, critic = ((real, mask), (fake, mask)), Scale()
    # Scores are 2 and 0.5 on real, -2 and 1 on fake.
    assert float(contest(critic, *sides, "hinge")) == pytest.approx((0 + 0.5) / 2 + (0 + 2) / 2)
    squares = (1 + 0.25) / 2 + (4 + 1) / 2
    assert float(contest(critic, *sides, "least_squares")) == pytest.approx(squares)
    adversarial, matching = persuade(critic, *sides, "hinge")
    assert float(adversarial) == pytest.approx((2 - 1) / 2)
    assert float(matching) == pytest.approx((4 + 0.5) / (2 + 0.5))
    assert float(persuade(critic, *sides, "least_squares")[0]) == pytest.approx((9 + 0) / 2)


@pytest.mark.parametrize("length", [30, 12, 1])
def test_verdicts_do_not_depend_on_padding(length: int) -> None:
    torch.manual_seed(0)
    latent, coarse, wav = torch.randn(1, 30, D), torch.randn(1, 30, D), torch.randn(1, 30 * HOP)
    mask = torch.arange(30)[None] < length
    judge, listener = LatentCritic(D, 32), SpectralCritic(32)
    wav = silence(wav, mask)
    samples = torch.tensor([length * HOP])
    pairs = zip(
        judge(latent, coarse, mask) + listener(wav, samples),
        judge(latent[:, :length], coarse[:, :length], mask[:, :length])
        + listener(wav[:, : length * HOP], samples),
        strict=True,
    )
    for padded, alone in pairs:
        count = int(padded.mask.sum())
        assert count == int(alone.mask.sum()) > 0
        ours, theirs = padded.score[:, :, :count], alone.score[:, :, :count]
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
        assert ours.std() > 1e-4 or length == 1


@pytest.mark.parametrize("discriminator", ["latent", "stft"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_loss_trains_its_own_side(discriminator: str, objective: str) -> None:
    method = build({"discriminator": discriminator, "objective": objective})
    judges, generator = critic_parameters(method), torch.Generator().manual_seed(0)
    assert judges
    torch.autograd.backward(method.loss(training_batch(), generator))
    assert all(parameter.grad is None for parameter in judges.values())
    reached = [p.grad for n, p in method.named_parameters() if n not in judges]
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in reached)
    method.zero_grad()
    torch.autograd.backward(method.critic_loss(training_batch(), generator))
    for name, parameter in method.named_parameters():
        moved = parameter.grad is not None and float(parameter.grad.abs().max()) > 0
        assert moved == (name in judges), name


@pytest.mark.parametrize("discriminator", ["latent", "stft"])
def test_the_critics_opinion_reaches_the_prediction(discriminator: str) -> None:
    gradients = []
    for weight in (0.0, 1.0):
        method = build({"discriminator": discriminator, "adversarial": weight})
        loss = method.loss(training_batch(), torch.Generator().manual_seed(0))
        torch.autograd.backward(loss)
        gradients.append(method.network.output.weight.grad)
    assert (gradients[0] - gradients[1]).abs().max() > 1e-4


def test_before_the_warm_start_ends_and_in_test_mode_the_regression_runs_alone() -> None:
    method, batch = build({"warm_start": 0.3}), training_batch()
    early, late = replace(batch, progress=0.29), replace(batch, progress=0.3)
    generator = torch.Generator()
    coarse = latent_space().embed(batch.codes[:, :1])
    plain = (coarse - batch.z)[batch.mask].square().mean()  # its output starts at coarse
    torch.testing.assert_close(method.loss(early, generator), plain)
    assert abs(float(method.loss(late, generator) - plain)) > 1e-3
    torch.testing.assert_close(method.eval().loss(late, generator), plain)
    torch.autograd.backward(method.critic_loss(early, generator))
    assert all(parameter.grad is None for parameter in method.parameters())


def test_without_noise_it_is_deterministic_and_with_noise_it_samples() -> None:
    for noise in (False, True):
        method = build({"noise": noise})
        nn.init.normal_(method.network.output.weight, std=0.3)
        same = torch.equal(*(resynthesize(method, training_batch(), seed) for seed in (1, 9)))
        assert same != noise


@pytest.mark.slow
@pytest.mark.parametrize("params", [{}, {"discriminator": "stft"}, {"objective": "least_squares"}])
def test_it_learns(params: dict[str, object]) -> None:
    method, batch = build(params, width=64), training_batch()
    batch = replace(batch, mask=torch.ones_like(batch.mask), wav=decoder(batch.z))
    train(method, batch, 150)
    coarse = (latent_space().embed(batch.codes[:, :1]) - batch.z).square().mean()
    error = (resynthesize(method, batch) - batch.z).square().mean() / coarse
    print("adversarial_regression", params, float(error))
    assert error < 0.1


def bimodal(generator: torch.Generator) -> Batch:
    """Latents one above or one below the coarse embedding, by chance: x1 does not say which."""
    codes = torch.randint(0, K, (8, 1, FRAMES), generator=generator)
    side = 2.0 * torch.randint(0, 2, (8, FRAMES, 1), generator=generator) - 1
    mask = torch.ones(8, FRAMES, dtype=torch.bool)
    return Batch(codes, latent_space().embed(codes) + side, mask)


@pytest.mark.slow
def test_what_a_critic_adds_with_and_without_noise() -> None:
    spreads, distances = {}, {}
    cases = {"mean": (0.0, False), "fixed": (1.0, False), "sampler": (1.0, True)}
    for label, (weight, noise) in cases.items():
        params = {"objective": "least_squares", "feature_matching": 0.0, "warm_start": 0.0}
        method = build({**params, "adversarial": weight, "noise": noise})
        batch = bimodal(torch.Generator().manual_seed(5))
        train(method, batch, 200, fresh=True)
        coarse = latent_space().embed(batch.codes)
        drawn = [resynthesize(method, batch, seed) - coarse for seed in (0, 100)]
        distances[label] = float((drawn[0].abs() - 1).square().mean())  # to the nearer mode
        spreads[label] = float((drawn[0] - drawn[1]).abs().mean())
    print("bimodal", distances, spreads)
    assert distances["mean"] > 0.8  # between the modes, where there is no data
    assert distances["fixed"] < 0.8 * distances["mean"]
    assert distances["sampler"] < 0.5 * distances["mean"]
    assert spreads["mean"] == spreads["fixed"] == 0 and spreads["sampler"] > 0.1
