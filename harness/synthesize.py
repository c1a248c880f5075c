"""Turn x1 into audio with one method at one NFE, and measure what that costs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.audio import Samples, check_audible, fit_length, resample
from harness.codecs.base import Codec, Encoded
from harness.errors import UserError
from harness.flops import flop_counter
from harness.records import LatentRecord
from methods.base import Audio, CodeMethod, Inputs, Method


class WrongNfe(RuntimeError):
    """A method made another number of network calls than it was asked for."""


class BadOutput(RuntimeError):
    """A method made latents of another shape than its input's, or that are no numbers."""


@dataclass(frozen=True)
class Output:
    """What a method made: audio, or latents (1, F, D), and the codes (1, n, F) it predicted."""

    made: Tensor | Audio
    codes: Tensor | None


@dataclass(frozen=True)
class Synthesis:
    """One utterance's estimate at the split's rate, the network calls made, and the seconds.

    `latent` says how near the latents came to the codec's own; None where audio was made.
    """

    samples: Samples
    calls: int
    seconds: float
    latent: LatentRecord | None


class Synthesizer:
    """One method with its codec; utterances are done one by one, so batches cannot matter.

    A layered method decodes from `layers` codes (None: all). The method runs on `device`; the
    codec stays on the CPU.
    """

    def __init__(
        self,
        codec: Codec,
        method: Method,
        nfe: int,
        layers: int | None,
        sample: int,
        device: str = "cpu",
    ) -> None:
        # Counting FLOPs of a network that wants gradients fails in torch's inference mode.
        self.codec, self.method = codec, method.to(device).requires_grad_(False)
        self.device = device
        self.nfe, self.layers, self.sample = nfe, layers, sample

    def run(self, utterance: str, reference: Samples, rate: int) -> Synthesis:
        """Resynthesize one utterance from its reference (T,) at `rate` Hz.

        The method receives x1 and the extras it declared, nothing else. Raises UserError, naming
        the utterance, if the codec cannot encode it, or if the audio is not finite, silent, or
        longer than the codec's padding explains; BadOutput for latents that cannot be decoded;
        WrongNfe.
        """
        encoded = self.encode(utterance, reference, rate)
        inputs = self.inputs(encoded, reference, rate)
        with count_calls(self.method.networks()) as calls:
            started = time.perf_counter()
            output = self.output(inputs, utterance)
            samples = self.audio(output.made, rate)
            seconds = time.perf_counter() - started
        if calls[0] != self.nfe:
            raise WrongNfe(f"method '{self.method.name}' made {calls[0]} calls at NFE {self.nfe}")
        samples = fit_length(samples, len(reference), self.padding(rate), utterance)
        check_audible(samples, f"{self.method.name}, {utterance}")
        return Synthesis(samples, calls[0], seconds, match(output, encoded))

    def padding(self, rate: int) -> int:
        """Return how many samples at `rate` encoding and decoding may add."""
        return -(-self.codec.padding * rate // self.codec.facts.sample_rate) + 1

    def encode(self, utterance: str, reference: Samples, rate: int) -> Encoded:
        """Encode a reference; see `run`."""
        wav = torch.from_numpy(resample(reference, rate, self.codec.facts.sample_rate))[None]
        try:
            with torch.inference_mode():
                return self.codec.encode(wav)
        except UserError as error:
            raise UserError(f"utterance '{utterance}': {error}") from error

    def inputs(self, encoded: Encoded, reference: Samples, rate: int) -> Inputs:
        """Keep of an encoded reference only what the method may see."""
        available = {
            "codes": encoded.codes,
            "z": encoded.z,
            "reference": torch.from_numpy(reference)[None],
            "reference_rate": torch.tensor(rate),
        }
        wanted = set(self.method.conditions_on) - {"x1"}
        if "reference" in wanted:
            wanted.add("reference_rate")
        extras = {name: value for name, value in available.items() if name in wanted}
        mask = torch.ones(encoded.codes.shape[0], encoded.codes.shape[2], dtype=torch.bool)
        return Inputs(encoded.codes[:, 0], mask, extras, self.layers)

    @torch.inference_mode()
    def output(self, inputs: Inputs, utterance: str) -> Output:
        """Run the method."""
        generators = [torch.Generator().manual_seed(noise_seed(self.sample, utterance))]
        given, codes = inputs.to(self.device), None
        if isinstance(self.method, CodeMethod):
            codes = self.method.predict_codes(given, self.nfe, generators)
            made: Tensor | Audio = self.method.embed(codes, given)
        else:
            made = self.method.resynthesize(given, self.nfe, generators)
        if isinstance(made, Tensor):
            self.check_latents(made, inputs, utterance)
        return Output(made, codes)

    @torch.inference_mode()
    def audio(self, made: Tensor | Audio, rate: int) -> Samples:
        """Decode latents, and return audio (T,) at `rate` Hz."""
        if isinstance(made, Audio):
            wav, source = made.samples, made.sample_rate
        else:
            wav, source = self.codec.decode(made.cpu()), self.codec.facts.sample_rate
        return resample(wav[0].cpu().numpy(), source, rate)

    def check_latents(self, output: Tensor, inputs: Inputs, utterance: str) -> None:
        """Raise BadOutput unless a method's output is finite latents (1, F, D)."""
        wanted = (*inputs.x1.shape, self.codec.facts.dimension)
        where = f"method '{self.method.name}', utterance '{utterance}'"
        if tuple(output.shape) != wanted:
            raise BadOutput(f"{where}: latents of shape {tuple(output.shape)}, not {wanted}")
        if not torch.isfinite(output).all():
            raise BadOutput(f"{where}: NaN or infinite latents")

    def flops(self, utterance: str, reference: Samples, rate: int) -> float:
        """Return the method's and decoder's floating-point operations per second of audio."""
        inputs = self.inputs(self.encode(utterance, reference, rate), reference, rate)
        with flop_counter() as counter:
            self.audio(self.output(inputs, utterance).made, rate)
        return float(counter.get_total_flops()) / (len(reference) / rate)


def match(output: Output, encoded: Encoded) -> LatentRecord | None:
    """Compare what a method made with the codec's own z and codes; None for audio."""
    if isinstance(output.made, Audio):
        return None
    z, made = encoded.z[0].double(), output.made[0].cpu().double()
    right = count = None
    if output.codes is not None:
        predicted = output.codes[0, 1:].cpu()
        right = int((predicted == encoded.codes[0, 1 : 1 + len(predicted)]).sum())
        count = predicted.numel()
    return LatentRecord(
        error=float((made - z).square().sum()),
        energy=float((z - z.mean(0)).square().sum()),
        right=right,
        codes=count,
    )


def noise_seed(sample: int, utterance: str) -> int:
    """Return the seed of one utterance's noise: the same for every method, order and machine."""
    text = f"resynth:{sample}:{utterance}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big")


@contextmanager
def count_calls(networks: Sequence[nn.Module]) -> Iterator[list[int]]:
    """Count forward calls of the networks while the context lasts."""
    calls = [0]

    def count(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls[0] += 1

    handles = [network.register_forward_pre_hook(count) for network in networks]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def require_declared(method: Method) -> None:
    """Raise UserError if a method that is no anchor asks for more than x1."""
    extras = set(method.conditions_on) - {"x1"}
    if extras and method.kind != "anchor":
        raise UserError(
            f"method '{method.name}' conditions on {', '.join(sorted(extras))}, which "
            "this harness gives to anchors alone"
        )
