"""On real speech: every method can remember eight utterances, and beats coarse on unheard ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from school import School
from torch import Tensor

from harness.config import TrainingConfig
from methods import catalog

pytestmark = pytest.mark.slow
REMEMBER = TrainingConfig(
    steps=600,
    batch_size=8,
    segment_seconds=1.3,
    learning_rate=2e-3,
    warmup_steps=50,
    validate_every=600,
    validate_batches=1,
    precision="bfloat16",
)
GENERALISE = REMEMBER.model_copy(update={"steps": 250, "segment_seconds": 1.5})
# Noise to tell from speech, codes to tell apart, or two tasks in one network take longer.
STEPS = {
    "bridge": 1200,
    "bridge_distilled": 1200,
    "hybrid": 900,
    "requantized": 2400,
    "coarse_to_fine": 900,
    "retrieval": 1200,
}
METHODS = {name: d for name, d in catalog.discover().items() if d.kind == "method"}
LATENT = [name for name in METHODS if name != "vocoder"]  # it learns on toys, in tests/methods
LAYERED = [name for name, d in METHODS.items() if d.layered]
# A mean needs samples: at temperature 0 there is one, the likeliest codes.
SAMPLED = {
    name: {"temperature": 1.0} for name in ("coarse_to_fine", "parallel_tokens", "masked_tokens")
}
# A distribution takes longer to learn than a mean does.
HELD_OUT_STEPS = dict.fromkeys(SAMPLED, 700) | {"hybrid": 1400}
SAMPLES = 8


def budget_of(name: str) -> TrainingConfig:
    return REMEMBER.model_copy(update={"steps": STEPS.get(name, REMEMBER.steps)})


def nfe_of(name: str) -> int:
    return catalog.default_nfe(METHODS[name], 8)


def aim(school: School, method: str, utterance: str) -> Tensor:
    """What a method is trained towards: z, or for methods of codes the embedding of all."""
    z, codes = school.target(utterance)
    return school.space.embed(codes) if METHODS[method].layered else z


def latents(
    school: School,
    name: str,
    params: dict[str, Any],
    budget: TrainingConfig,
    utterance: str,
    seed: int,
) -> Tensor:
    method = school.method(name, params, budget)
    made = school.resynthesize(method, utterance, nfe_of(name), seed)
    assert isinstance(made, Tensor)
    return school.space.standardise(made)


@pytest.mark.parametrize("name", LATENT)
def test_eight_utterances_are_remembered(eight: School, name: str) -> None:
    error = coarse = 0.0
    for utterance in eight.train:
        target = eight.space.standardise(aim(eight, name, utterance))
        known = eight.space.standardise(eight.space.embed(eight.target(utterance)[1][:, :1]))
        made = latents(eight, name, {}, budget_of(name), utterance, 0)
        error += float((made - target).square().sum())
        coarse += float((known - target).square().sum())
    print(f"{name}: latent error {error / coarse:.2%} of coarse's")
    assert error <= 0.10 * coarse


@pytest.mark.parametrize("name", [name for name in LAYERED if name != "requantized"])
def test_codes_of_eight_utterances_are_remembered(eight: School, name: str) -> None:
    method: Any = eight.method(name, {}, budget_of(name))
    right = total = 0
    for utterance in eight.train:
        codes = eight.target(utterance)[1]
        given = eight.inputs(utterance)
        found = method.predict_codes(given, nfe_of(name), [torch.Generator().manual_seed(0)])
        right += int((found[:, 1:] == codes[:, 1:]).sum())
        total += codes[:, 1:].numel()
    print(f"{name}: {right / total:.2%} of the codes after x1")
    assert right > 0.95 * total


# One entry is retrieved for each codebook and nothing is drawn, so there is no mean to judge.
DRAWN = [name for name in LATENT if name not in ("retrieval", "cosine_regression")]


@pytest.mark.parametrize("name", DRAWN)
def test_samples_for_unheard_speech_are_nearer_than_coarse(
    held_out: tuple[School, Sequence[str]], name: str
) -> None:
    """The energy score with exponent 2: |mean of samples - z|^2, less what their spread adds to it.

    Gneiting and Raftery 2007 (JASA 102), section 4.3; unbiased from m samples of variance v, since
    their mean is off by v / m more than the mean of infinitely many.
    """
    school, utterances = held_out
    params, steps = SAMPLED.get(name, {}), HELD_OUT_STEPS.get(name, GENERALISE.steps)
    budget = GENERALISE.model_copy(update={"steps": steps})
    own = coarse = 0.0
    for utterance in utterances:
        target = school.space.standardise(aim(school, name, utterance))
        known = school.space.standardise(school.space.embed(school.target(utterance)[1][:, :1]))
        draws = [latents(school, name, params, budget, utterance, seed) for seed in range(SAMPLES)]
        made = torch.cat(draws)
        spread = made.var(0).sum() / SAMPLES
        own += float((made.mean(0) - target[0]).square().sum() - spread)
        coarse += float((known - target).square().sum())
    print(f"{name}: energy score {own / coarse:.3f} of coarse's")
    assert own < coarse
