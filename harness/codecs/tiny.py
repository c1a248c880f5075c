"""The `tiny` codec: EnCodec's geometry, small enough to train and run on a CPU.

log-mel -> ConvNeXt blocks -> z (128-d) -> residual vector quantizer (encodec's) -> ConvNeXt blocks
-> magnitude and phase -> inverse STFT, as in Vocos (Siuzdak 2023, arXiv 2306.00814).
Shapes: wav (B, T), features (B, F, C), F = ceil(T / hop). Masks are (B, F, 1), 1 on real frames.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.codecs.families.tiny import TinyShape as TinyShape
from harness.codecs.mel import mel_filterbank
from harness.codecs.official import residual_quantizer


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over frames, then a two-layer perceptron, with a scaled residual."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, width * expansion)
        self.reduce = nn.Linear(width * expansion, width)
        self.scale = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (B, F, C) to the same shape; padded frames count as silence, as past the ends."""
        mixed = self.depthwise((x * mask).transpose(1, 2)).transpose(1, 2)
        change: Tensor = self.reduce(F.gelu(self.expand(self.norm(mixed))))
        return x + self.scale * change


class Stack(nn.Module):
    """Input projection, ConvNeXt blocks, normalisation and output projection."""

    def __init__(self, inputs: int, width: int, blocks: int, expansion: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(ConvNeXtBlock(width, expansion) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, outputs)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (B, F, inputs) to (B, F, outputs)."""
        x = self.enter(x)
        for block in self.blocks:
            x = block(x, mask)
        left: Tensor = self.leave(self.norm(x))
        return left


class TinyModel(nn.Module):
    """Encoder, quantizer and decoder of the tiny codec."""

    def __init__(self, shape: TinyShape) -> None:
        super().__init__()
        self.shape = s = shape
        self.bins = s.window // 2 + 1
        self.encoder = Stack(s.mels, s.encoder_width, s.encoder_blocks, s.expansion, s.dimension)
        self.quantizer = residual_quantizer(s.codebooks, s.entries, s.dimension)
        self.decoder = Stack(
            s.dimension, s.decoder_width, s.decoder_blocks, s.expansion, 2 * self.bins
        )
        self.register_buffer("window", torch.hann_window(s.window), persistent=False)
        filters = mel_filterbank(s.sample_rate, s.window, s.mels)
        self.register_buffer("filters", filters, persistent=False)

    window: Tensor
    filters: Tensor

    def frames(self, samples: int) -> int:
        """Return the number of frames of `samples` samples."""
        return math.ceil(samples / self.shape.hop)

    def features(self, wav: Tensor) -> Tensor:
        """Log-mel features (B, F, mels) of wav (B, T), silence around the ends."""
        s = self.shape
        tail = self.frames(wav.shape[1]) * s.hop - wav.shape[1]
        margin = (s.window - s.hop) // 2
        padded = F.pad(wav, (margin, margin + tail))
        spectrum = torch.stft(
            padded, s.window, s.hop, window=self.window, center=False, return_complex=True
        ).abs()
        return (self.filters @ spectrum).clamp(min=1e-5).log().transpose(1, 2)

    def encode(self, wav: Tensor, mask: Tensor) -> Tensor:
        """Return z (B, F, D); samples past an utterance's end must be zero."""
        z: Tensor = self.encoder(self.features(wav), mask)
        return z

    def decode(self, latent: Tensor, mask: Tensor) -> Tensor:
        """Return wav (B, F * hop) of latents (B, F, D)."""
        magnitude, phase = self.decoder(latent, mask).float().chunk(2, dim=-1)
        magnitude = magnitude.clamp(max=5).exp() * mask
        return self.overlap_add(torch.polar(magnitude, phase), mask)

    def overlap_add(self, spectrum: Tensor, mask: Tensor) -> Tensor:
        """Inverse STFT of (B, F, bins), trimmed to F * hop samples as in Vocos' "same" padding.

        Only real frames count in the window's sum, so an utterance ends alike in any batch.
        """
        s = self.shape
        pieces = torch.fft.irfft(spectrum, n=s.window, dim=-1) * self.window
        count = pieces.shape[1]
        size = (1, (count - 1) * s.hop + s.window)
        wave = F.fold(pieces.transpose(1, 2), size, (1, s.window), stride=(1, s.hop)).flatten(1)
        square = (self.window**2)[None, None]
        real = mask.transpose(1, 2).to(square.dtype)
        weight = F.conv_transpose1d(real, square, stride=s.hop).flatten(1)
        margin = (s.window - s.hop) // 2
        inner = slice(margin, margin + count * s.hop)
        return wave[:, inner] / weight[:, inner].clamp(min=1e-8)
