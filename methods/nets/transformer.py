"""The Transformer encoder every trained method shares, so that methods differ in nothing else.

Pre-norm, non-causal, rotary positions (RoFormer, arXiv 2104.09864), padding masked. A conditioning
vector (time, codebook index) modulates every layer norm; one projection serves all layers
(adaLN-single, PixArt-alpha, arXiv 2310.00426), which keeps the conditioned network's size within
a few percent of the plain one at 12 layers.
Shapes: B utterances, F frames, W width, H heads, d = W / H.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.params import Backbone, MethodError

MODULATIONS = 8  # shift, scale and gate of attention and of feed-forward; shift, scale at the end


class Encoder(nn.Module):
    """Frames (B, F, inputs) to frames (B, F, outputs), or (B, F, W) without `outputs`.

    `zero_output` starts the output projection at zero: a residual predictor then starts as the
    identity. `conditioned` makes `forward` take a vector per utterance.
    """

    def __init__(
        self,
        size: Backbone,
        inputs: int,
        outputs: int | None = None,
        *,
        conditioned: bool = False,
        zero_output: bool = False,
    ) -> None:
        super().__init__()
        self.head_size = size.width // size.heads
        self.input = nn.Linear(inputs, size.width)
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width)
        self.output = nn.Identity() if outputs is None else nn.Linear(size.width, outputs)
        self.modulation = nn.Linear(size.width, MODULATIONS * size.width) if conditioned else None
        if self.modulation is not None:
            # A conditioned network starts as the plain one: gates and scales are offsets from 1.
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)
        if zero_output and isinstance(self.output, nn.Linear):
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)

    def forward(
        self,
        frames: Tensor,
        mask: Tensor,
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Encode frames (B, F, inputs) under mask (B, F), given condition (B, W) if conditioned.

        What padded frames hold never reaches real ones; padded outputs are undefined. Dropout,
        where the size asks for it, is drawn from `generator` while training.
        """
        changes: list[Tensor | None] = [None] * MODULATIONS
        if self.modulation is not None:
            if condition is None:
                raise MethodError("a conditioned encoder needs its conditioning vector")
            shifts = self.modulation(functional.silu(condition)).unsqueeze(1)
            changes = list(shifts.chunk(MODULATIONS, dim=-1))
        # Without padding the mask is left out, which lets attention use its fastest kernel.
        keys = None if bool(mask.all()) else mask[:, None, None, :]
        angles = rotary_angles(frames.shape[1], self.head_size, frames.device)
        hidden = self.input(frames)
        for block in self.blocks:
            hidden = block(hidden, keys, angles, changes[:6], generator)
        result: Tensor = self.output(modulate(self.norm(hidden), changes[6], changes[7]))
        return result


class Block(nn.Module):
    """One pre-norm layer: attention over frames, then a feed-forward network on each frame."""

    def __init__(self, size: Backbone) -> None:
        super().__init__()
        self.heads = size.heads
        self.dropout = size.dropout
        self.attention_norm = nn.LayerNorm(size.width)
        self.query_key_value = nn.Linear(size.width, 3 * size.width)
        self.attention_output = nn.Linear(size.width, size.width)
        self.feed_forward_norm = nn.LayerNorm(size.width)
        hidden = size.feed_forward * size.width
        self.feed_forward = nn.Sequential(
            nn.Linear(size.width, hidden), nn.GELU(), nn.Linear(hidden, size.width)
        )

    def forward(
        self,
        hidden: Tensor,
        keys: Tensor | None,
        angles: tuple[Tensor, Tensor],
        changes: list[Tensor | None],
        generator: torch.Generator | None,
    ) -> Tensor:
        """Map hidden (B, F, W) to the same shape; `changes` are six of (B, 1, W) or None."""
        shift, scale, gate = changes[:3]
        update = self.attend(modulate(self.attention_norm(hidden), shift, scale), keys, angles)
        hidden = hidden + self._drop(gated(update, gate), generator)
        shift, scale, gate = changes[3:]
        update = self.feed_forward(modulate(self.feed_forward_norm(hidden), shift, scale))
        return hidden + self._drop(gated(update, gate), generator)

    def attend(self, hidden: Tensor, keys: Tensor | None, angles: tuple[Tensor, Tensor]) -> Tensor:
        """Self-attention of (B, F, W) over the frames that keys (B, 1, 1, F) allows."""
        batch, frames, width = hidden.shape
        joined = self.query_key_value(hidden).view(batch, frames, 3, self.heads, -1)
        query, key, value = joined.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(
            rotate(query, angles), rotate(key, angles), value, attn_mask=keys
        )
        output: Tensor = self.attention_output(mixed.transpose(1, 2).reshape(batch, frames, width))
        return output

    def _drop(self, update: Tensor, generator: torch.Generator | None) -> Tensor:
        if not self.training or self.dropout == 0:
            return update
        if generator is None:
            raise MethodError("dropout in training needs a generator")
        drawn = torch.rand(update.shape, generator=generator, device=generator.device)
        kept = (drawn >= self.dropout).to(update.device)
        return update * kept / (1 - self.dropout)


class TimeEmbedding(nn.Module):
    """Times (B,) in [0, 1] to vectors (B, W): sinusoids, then a small network.

    The sinusoids are those of DDPM (arXiv 2006.11239), its 1000 steps being the unit interval.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pairs = width // 2
        self.network = nn.Sequential(
            nn.Linear(2 * self.pairs, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, time: Tensor) -> Tensor:
        """Embed time (B,) as (B, W)."""
        exponents = torch.arange(self.pairs, device=time.device) / self.pairs
        angles = 1000 * time[:, None] * torch.exp(-math.log(10_000) * exponents)
        vectors: Tensor = self.network(torch.cat((angles.cos(), angles.sin()), dim=-1))
        return vectors


def modulate(hidden: Tensor, shift: Tensor | None, scale: Tensor | None) -> Tensor:
    """Apply a layer norm's conditional shift and scale, offsets from 0 and 1."""
    if shift is None or scale is None:
        return hidden
    return torch.addcmul(shift, hidden, 1 + scale)


def gated(update: Tensor, gate: Tensor | None) -> Tensor:
    """Weigh a residual update by its conditional gate, an offset from 1."""
    return update if gate is None else update * (1 + gate)


def rotary_angles(frames: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosines and sines (F, size / 2) of frame index times frequency."""
    frequencies = 10_000 ** (-torch.arange(0, size, 2, device=device) / size)
    angles = torch.arange(frames, device=device)[:, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(vectors: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of dimensions of (B, H, F, d) by its frame's angle."""
    cosine, sine = angles
    first, second = vectors.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), dim=-1).to(
        vectors.dtype
    )
