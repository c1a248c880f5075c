"""Opus, the classical codec beside the neural ones: what a bit rate buys without learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import av
import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from methods.base import Audio, Backbone, Inputs, LatentSpace, Method, MethodError

Samples = NDArray[np.float32]
RATES = (8_000, 12_000, 16_000, 24_000, 48_000)  # RFC 6716, section 2: what libopus takes
DECODED = 48_000


class Opus(Method):
    """The reference encoded and decoded by libopus at a constant bit rate.

    "audio", the default, stays as close to the waveform as it can. "voip" filters out what lies
    below the voice, which shifts the phase of what stays: at 16 kb/s it has the same PESQ and
    ESTOI, and about 10 dB less SI-SNR (measured on 3 utterances).
    """

    name: ClassVar[str] = "opus"
    summary: ClassVar[str] = "Opus, a classical codec, at a constant bit rate: no code is learnt."
    packages: ClassVar[tuple[str, ...]] = ("av", "soxr")
    source: ClassVar[str] = "Valin et al., RFC 6716; the libopus implementation"
    kind: ClassVar[str] = "anchor"
    trains: ClassVar[bool] = False
    target: ClassVar[str] = "none"
    nfe: ClassVar[int] = 0
    conditions_on: ClassVar[tuple[str, ...]] = ("reference",)

    class Params(Method.Params):
        """Bit rate in b/s, and what libopus optimises for."""

        bit_rate: Annotated[int, Field(ge=6_000, le=64_000)] = 16_000
        application: Literal["voip", "audio"] = "audio"

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        self.bit_rate, self.application = params.bit_rate, params.application

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return extras "reference" (B, T) coded and decoded, at its own rate and length."""
        self.check_request(inputs, nfe)
        reference, rate = inputs.extras["reference"], int(inputs.extras["reference_rate"])
        rows = [
            decode(encode(row.cpu().numpy(), rate, self.bit_rate, self.application), rate, len(row))
            for row in reference
        ]
        return Audio(torch.from_numpy(np.stack(rows)).to(reference.device), rate)


@dataclass(frozen=True)
class Stream:
    """One utterance's packets and the header a decoder needs (RFC 7845, section 5.1)."""

    header: bytes
    packets: tuple[bytes, ...]

    @property
    def bits(self) -> int:
        """Size of all packets; no container is counted."""
        return 8 * sum(map(len, self.packets))


def encode(samples: Samples, rate: int, bit_rate: int, application: str = "audio") -> Stream:
    """Encode (T,) at `rate` Hz in frames of 20 ms at a constant `bit_rate` in b/s.

    A rate Opus does not take is resampled to 48 kHz first. Raises MethodError if libopus refuses.
    """
    if rate not in RATES:
        samples, rate = resample(samples, rate, DECODED), DECODED
    context = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.format, context.layout = rate, "flt", "mono"
    context.bit_rate = bit_rate
    context.options = {"vbr": "off", "application": application, "frame_duration": "20"}
    try:
        context.open()
        packets = [
            bytes(packet)
            for start in range(0, len(samples), rate // 50)
            for packet in context.encode(_frame(samples, start, rate))
        ]
        packets += [bytes(packet) for packet in context.encode(None)]
    except av.FFmpegError as error:
        raise MethodError(f"libopus cannot encode at {bit_rate} b/s: {error}") from error
    return Stream(bytes(context.extradata or b""), tuple(packets))


def _frame(samples: Samples, start: int, rate: int) -> av.AudioFrame:
    part = np.ascontiguousarray(samples[None, start : start + rate // 50], dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate, start
    return frame


def decode(stream: Stream, rate: int, length: int) -> Samples:
    """Decode to (length,) at `rate` Hz, aligned with what was encoded.

    libopus drops the look-ahead that the header names from the front; what its last frame adds is
    cut from the end. Raises MethodError if there is less than `length`.
    """
    context = av.CodecContext.create("libopus", "r")
    context.extradata, context.sample_rate, context.layout = stream.header, DECODED, "mono"
    context.open()
    frames = [f for packet in stream.packets for f in context.decode(av.Packet(packet))]
    frames += context.decode(None)
    whole = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    decoded = resample(whole.astype(np.float32) / np.float32(32768), DECODED, rate)
    if len(decoded) < length:
        raise MethodError(f"opus returned {len(decoded)} samples where {length} were encoded")
    return decoded[:length]


def resample(samples: Samples, source: int, target: int) -> Samples:
    """Resample (T,) with soxr at its HQ setting, as the whole benchmark does."""
    if source == target:
        return samples
    return np.asarray(soxr.resample(samples, source, target, quality="HQ"), dtype=np.float32)


def measured_bit_rate(samples: Sequence[Samples], rate: int, bit_rate: int) -> float:
    """Encode utterances at a nominal `bit_rate` and return the bits per second they really take.

    The last frame's padding and the look-ahead count, as they are sent.
    """
    bits = sum(encode(row, rate, bit_rate).bits for row in samples)
    return bits / (sum(map(len, samples)) / rate)
