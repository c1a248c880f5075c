from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.codecs.loading import load_codec
from harness.config import CodecConfig
from harness.errors import UserError
from harness.space import untrained_space
from harness.synthesize import BadOutput, Synthesizer, WrongNfe, noise_seed, require_declared
from methods.base import Audio, Backbone, Inputs, Method

SPEECH = np.sin(np.linspace(0, 4000, 8000, dtype=np.float32)) * np.float32(0.3)


class Probe(Method):
    """Records what it is given, and calls its network as often as told."""

    name: ClassVar[str] = "probe"
    target: ClassVar[str] = "z"
    nfe: ClassVar[int | str] = "any"
    calls = 0

    def networks(self) -> Sequence[nn.Module]:
        return (self.network,)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        self.seen = inputs
        latent = self.space.embed(inputs.x1[:, None])
        for _ in range(self.calls):
            latent = self.network(latent)
        return latent


@pytest.fixture(scope="module")
def codec() -> Any:
    return load_codec(CodecConfig())


def probe(codec: Any, calls: int, extras: tuple[str, ...] = ("x1",)) -> Probe:
    method = type("Probed", (Probe,), {"conditions_on": extras})(
        Probe.Params(), untrained_space(codec), Backbone()
    )
    method.network = nn.Identity()
    method.calls = calls
    return method


def test_a_method_sees_x1_and_nothing_it_did_not_declare(codec: Any) -> None:
    method = probe(codec, calls=1)
    Synthesizer(codec, method, 1, None, 0).run("u", SPEECH, 16_000)
    assert method.seen.extras == {}
    assert method.seen.x1.shape == (1, 38)


def test_extras_are_for_anchors_alone(codec: Any) -> None:
    with pytest.raises(UserError, match="conditions on z, which"):
        require_declared(probe(codec, calls=1, extras=("x1", "z")))


def test_network_calls_are_counted_not_believed(codec: Any) -> None:
    with pytest.raises(WrongNfe, match="made 3 calls at NFE 2"):
        Synthesizer(codec, probe(codec, calls=3), 2, None, 0).run("u", SPEECH, 16_000)


def test_audio_that_cannot_be_encoded_is_named(codec: Any) -> None:
    maker = Synthesizer(codec, probe(codec, calls=1), 1, None, 0)
    with pytest.raises(
        UserError, match="utterance 'short one': codec 'tiny': 150 samples are less"
    ):
        maker.run("short one", SPEECH[:100], 16_000)
    with pytest.raises(UserError, match="utterance 'short one'"):
        maker.flops("short one", SPEECH[:100], 16_000)


def test_layers_asked_for_reach_the_method(codec: Any) -> None:
    method = probe(codec, calls=1)
    Synthesizer(codec, method, 1, 3, 0).run("u", SPEECH, 16_000)
    assert method.seen.layers == 3


def test_an_output_that_is_no_latent_fails_and_is_named(codec: Any) -> None:
    class Broken(nn.Module):
        def __init__(self, change: Any) -> None:
            super().__init__()
            self.change = change

        def forward(self, latent: Tensor) -> Tensor:
            return self.change(latent)

    for change, fault in (
        (lambda latent: latent * float("nan"), "NaN or infinite latents"),
        (lambda latent: latent[:, 1:], r"shape \(1, 37, 128\), not \(1, 38, 128\)"),
    ):
        method = probe(codec, calls=1)
        method.network = Broken(change)
        with pytest.raises(BadOutput, match=f"utterance 'u': .*{fault}"):
            Synthesizer(codec, method, 1, None, 0).run("u", SPEECH, 16_000)


def test_the_estimate_has_the_references_length(codec: Any) -> None:
    made = Synthesizer(codec, probe(codec, calls=1), 1, None, 0).run("u", SPEECH[:7999], 16_000)
    assert made.samples.shape == (7999,)
    assert made.calls == 1


def test_noise_depends_on_the_utterance_and_the_sampling_seed_alone() -> None:
    assert noise_seed(0, "a") == noise_seed(0, "a")
    assert len({noise_seed(0, "a"), noise_seed(0, "b"), noise_seed(1, "a")}) == 3
