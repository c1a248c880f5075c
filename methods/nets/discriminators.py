"""Critics for adversarial training: networks that tell a method's output from the real thing.

A critic returns one `Verdict` per resolution. Padded places never reach real ones and never count.
Strides are along frequency alone, so that a score belongs to a frame. Sizes follow the backbone's
width: at the paper's 12 layers of 768 a critic has a few percent of the method's parameters.
Shapes: B utterances, F codec frames, D latent dimensions, T samples, S analysis frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from methods.nets.spectral import centred, stft

WINDOWS = (512, 1024, 2048)  # samples
SLOPE = 0.2  # of the leaky rectifiers


@dataclass(frozen=True)
class Verdict:
    """Scores (B, 1, ...), high for real, hidden features (B, C, ...), and the mask of both."""

    score: Tensor
    features: tuple[Tensor, ...]
    mask: Tensor


class Stack(nn.Module):
    """Convolutions with leaky rectifiers, then one to a score; the mask is applied to each.

    The score's has no bias: under the hinge it would not move while all scores are in the margin.
    """

    def __init__(self, hidden: Sequence[nn.Module], score: nn.Module) -> None:
        super().__init__()
        self.hidden, self.score = nn.ModuleList(hidden), score

    def forward(self, places: Tensor, mask: Tensor) -> Verdict:
        """Judge places (B, C, F) or (B, C, S, bins) under a mask that broadcasts to them."""
        places, features = places * mask, []
        for layer in self.hidden:
            places = functional.leaky_relu(layer(places), SLOPE) * mask
            features.append(places)
        return Verdict(self.score(places), tuple(features), mask)


class LatentCritic(nn.Module):
    """Judges standardised latents next to the coarse embedding they were made from."""

    def __init__(self, dimension: int, width: int) -> None:
        super().__init__()
        channels = max(8, width // 2)
        inner = [_frames(channels, channels, dilation) for dilation in (2, 4)]
        hidden = [_frames(2 * dimension, channels, 1), *inner]
        self.stack = Stack(hidden, _frames(channels, 1, 1, bias=False))

    def forward(self, latent: Tensor, coarse: Tensor, mask: Tensor) -> list[Verdict]:
        """Judge latent (B, F, D) given coarse (B, F, D) under mask (B, F)."""
        places = torch.cat((latent, coarse), dim=-1).transpose(1, 2)
        return [self.stack(places, mask.unsqueeze(1))]


class SpectralCritic(nn.Module):
    """Judges waveforms by their complex STFT at several resolutions.

    After EnCodec's multi-scale STFT discriminator (arXiv 2210.13438, section 3.4), smaller:
    windows overlap by half, strides along frequency are 4, weights are not normalised.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        c = max(4, width // 32)
        self.stacks = nn.ModuleList(
            Stack(
                [_plane(2, c), _plane(c, 2 * c), _plane(2 * c, 4 * c)],
                _plane(4 * c, 1, stride=1, bias=False),
            )
            for _ in WINDOWS
        )
        for size in WINDOWS:
            window = torch.hann_window(size)
            self.register_buffer(f"window_{size}", window / window.norm(), persistent=False)

    def forward(self, wav: Tensor, lengths: Tensor) -> list[Verdict]:
        """Judge wav (B, T), zero past `lengths` (B,), in samples."""
        return [
            self._judge(stack, wav, lengths, getattr(self, f"window_{size}"))
            for size, stack in zip(WINDOWS, self.stacks, strict=True)
        ]

    def _judge(self, stack: nn.Module, wav: Tensor, lengths: Tensor, window: Tensor) -> Verdict:
        hop = len(window) // 2
        spectrum = torch.view_as_real(stft(wav, window, hop)).permute(0, 3, 1, 2)
        mask = centred(lengths, wav.shape[1], hop)[:, None, :, None]
        verdict: Verdict = stack(spectrum, mask)
        return verdict


Evidence = tuple[Tensor, ...]
OBJECTIVES: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    # What a critic pays for a score of real and of fake, and what the method pays for its own.
    "hinge": (lambda s: (1 - s).relu(), lambda s: (1 + s).relu(), lambda s: -s),
    "least_squares": (lambda s: (1 - s).square(), lambda s: s.square(), lambda s: (1 - s).square()),
}


def contest(critic: nn.Module, real: Evidence, fake: Evidence, objective: str) -> Tensor:
    """Return the critic's loss on its inputs `real` and `fake`, a mean over places.

    "hinge" is that of geometric GANs (arXiv 1705.02894), "least_squares" of LSGAN (1611.04076).
    """
    on_real, on_fake, _ = OBJECTIVES[objective]
    return _mean(
        _masked(on_real(right.score), right.mask) + _masked(on_fake(wrong.score), wrong.mask)
        for right, wrong in zip(critic(*real), critic(*fake), strict=True)
    )


def persuade(
    critic: nn.Module, real: Evidence, fake: Evidence, objective: str
) -> tuple[Tensor, Tensor]:
    """Return the method's adversarial loss and its feature matching loss.

    The latter is the mean absolute difference of features relative to the real ones' size
    (EnCodec, eq. 3). The critic is a fixed function here: no gradient reaches its parameters.
    """
    with torch.no_grad():
        rights = critic(*real)
    fixed = {name: parameter.detach() for name, parameter in critic.named_parameters()}
    wrongs: list[Verdict] = functional_call(critic, fixed, fake)
    price = OBJECTIVES[objective][2]
    adversarial = _mean(_masked(price(wrong.score), wrong.mask) for wrong in wrongs)
    pairs = zip(rights, wrongs, strict=True)
    return adversarial, _mean(gap for pair in pairs for gap in _gaps(*pair))


def _gaps(right: Verdict, wrong: Verdict) -> Iterator[Tensor]:
    for truth, ours in zip(right.features, wrong.features, strict=True):
        size = _masked(truth.abs(), right.mask).clamp(min=1e-5)
        yield _masked((truth - ours).abs(), right.mask) / size


def _masked(values: Tensor, mask: Tensor) -> Tensor:
    weights = mask.expand_as(values)
    return (values.float() * weights).sum() / weights.sum().clamp(min=1)


def _mean(losses: Iterator[Tensor]) -> Tensor:
    return torch.stack(list(losses)).mean()


def _frames(inputs: int, outputs: int, dilation: int, bias: bool = True) -> nn.Module:
    return nn.Conv1d(inputs, outputs, 5, padding=2 * dilation, dilation=dilation, bias=bias)


def _plane(inputs: int, outputs: int, stride: int = 4, bias: bool = True) -> nn.Module:
    return nn.Conv2d(inputs, outputs, (3, 5), stride=(1, stride), padding=(1, 2), bias=bias)
