"""Mel filterbank on the Slaney scale with Slaney normalisation, as librosa's default."""

from __future__ import annotations

import torch
from torch import Tensor


def hz_to_mel(hz: Tensor) -> Tensor:
    """Slaney's scale: linear below 1 kHz, logarithmic above."""
    step = torch.log(torch.tensor(6.4, dtype=torch.float64)) / 27
    return torch.where(hz < 1000, hz * 3 / 200, 15 + (hz.clamp(min=1) / 1000).log() / step)


def mel_to_hz(mel: Tensor) -> Tensor:
    """Invert `hz_to_mel`."""
    step = torch.log(torch.tensor(6.4, dtype=torch.float64)) / 27
    return torch.where(mel < 15, mel * 200 / 3, 1000 * ((mel - 15) * step).exp())


def mel_filterbank(sample_rate: int, n_fft: int, bands: int) -> Tensor:
    """Return triangular filters (bands, n_fft // 2 + 1), each of unit area in Hz."""
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    top = hz_to_mel(torch.tensor(sample_rate / 2, dtype=torch.float64))
    edges = mel_to_hz(torch.linspace(0, 1, bands + 2, dtype=torch.float64) * top)
    width = edges.diff()
    ramps = edges[:, None] - bins[None]
    lower = -ramps[:-2] / width[:-1, None]
    upper = ramps[2:] / width[1:, None]
    triangles = torch.minimum(lower, upper).clamp(min=0)
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).float()
