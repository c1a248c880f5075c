"""Spectra of waveforms in torch: mel and STFT losses, and the inverse STFT of predicted frames.

Everything is computed in float32, whatever the autocast. Shapes: wav (B, T), lengths (B,) in
samples, codec frames F with masks (B, F), spectra (B, S, bins) of S analysis frames.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

RESOLUTIONS = {512: 40, 1024: 80, 2048: 160}  # window in samples: mel bands
FLOOR = 1e-5  # of magnitudes, before the logarithm
LOUDEST = 5.0  # natural logarithm of the largest magnitude a network may predict


class SpectralLoss(nn.Module):
    """Distances of two waveforms at several resolutions, hop a quarter of the window."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        for size, bands in RESOLUTIONS.items():
            filters = mel_filterbank(sample_rate, size, bands)
            self.register_buffer(f"window_{size}", torch.hann_window(size), persistent=False)
            self.register_buffer(f"filters_{size}", filters, persistent=False)

    def forward(
        self, estimate: Tensor, reference: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the mel and the STFT distance of wav (B, T), past whose lengths is silence.

        Mel: mean absolute difference of log-mel spectra (HiFi-GAN, arXiv 2010.05646, eq. 5, at
        several resolutions). STFT: spectral convergence plus the mean absolute difference of log
        magnitudes (Parallel WaveGAN, arXiv 1910.11480, eqs. 4 and 5). Both are means over
        resolutions and over the analysis frames that are centred on a real sample.
        """
        mels, stfts = [], []
        for size in RESOLUTIONS:
            window, hop = getattr(self, f"window_{size}"), size // 4
            mask = centred(lengths, estimate.shape[1], hop)
            ours, truth = (stft(wav, window, hop).abs()[mask] for wav in (estimate, reference))
            mels.append((self.log_mel(ours, size) - self.log_mel(truth, size)).abs().mean())
            convergence = (ours - truth).norm() / truth.norm().clamp(min=FLOOR)
            stfts.append(convergence + (log(ours) - log(truth)).abs().mean())
        return torch.stack(mels).mean(), torch.stack(stfts).mean()

    def log_mel(self, magnitude: Tensor, size: int) -> Tensor:
        """Return natural log-mel spectra (..., bands) of magnitudes (..., bins)."""
        filters: Tensor = getattr(self, f"filters_{size}")
        with torch.autocast(magnitude.device.type, enabled=False):
            return log(magnitude @ filters.T)


def stft(wav: Tensor, window: Tensor, hop: int) -> Tensor:
    """Return the complex spectra (B, 1 + T // hop, bins) of wav (B, T), silence around it.

    Frame i is centred on sample i * hop.
    """
    with torch.autocast(wav.device.type, enabled=False):
        spectrum = torch.stft(
            wav.float(), len(window), hop, window=window, pad_mode="constant", return_complex=True
        )
    return spectrum.transpose(1, 2)


def centred(lengths: Tensor, samples: int, hop: int) -> Tensor:
    """Return a mask (B, 1 + samples // hop) of the analysis frames centred on a real sample."""
    places = hop * torch.arange(1 + samples // hop, device=lengths.device)
    return places < lengths[:, None]


def silence(wav: Tensor, mask: Tensor) -> Tensor:
    """Set the samples of wav (B, T) that lie in padded frames (B, F) to zero, T = F * hop."""
    return wav * mask.repeat_interleave(wav.shape[1] // mask.shape[1], dim=1)


def log(magnitude: Tensor) -> Tensor:
    """Natural logarithm with a floor."""
    return magnitude.clamp(min=FLOOR).log()


def inverse_stft(output: Tensor, mask: Tensor, window: Tensor) -> Tensor:
    """Turn predicted spectra (B, F, W + 2) into wav (B, F * W / 4), W the window's length.

    The first half is log magnitude, the second phase (Vocos, arXiv 2306.00814, section 3.3). Frame
    i is centred on the middle of its W / 4 samples. Padded frames add nothing, and the windows'
    sum counts real ones only, so an utterance ends the same way in any batch.
    """
    size, hop = len(window), len(window) // 4
    with torch.autocast(output.device.type, enabled=False):
        magnitude, phase = output.float().chunk(2, dim=-1)
        magnitude = magnitude.clamp(max=LOUDEST).exp() * mask.unsqueeze(-1)
        pieces = torch.fft.irfft(torch.polar(magnitude, phase), n=size, dim=-1) * window
        weights = mask.unsqueeze(-1) * window.square()
        wave, weight = overlap_add(pieces, hop), overlap_add(weights, hop)
    margin, samples = (size - hop) // 2, mask.shape[1] * hop
    # Samples of real frames have a weight above a half; the floor is for the others, which are 0.
    wave, weight = (part[:, margin : margin + samples] for part in (wave, weight))
    return silence(wave / weight.clamp(min=FLOOR), mask)


def overlap_add(pieces: Tensor, hop: int) -> Tensor:
    """Add up windows (B, F, W) that start `hop` samples apart into (B, (F - 1) * hop + W)."""
    count, size = pieces.shape[1:]
    total = (1, (count - 1) * hop + size)
    columns = pieces.transpose(1, 2)
    return functional.fold(columns, total, (1, size), stride=(1, hop)).flatten(1)


def mel_filterbank(sample_rate: int, size: int, bands: int) -> Tensor:
    """Return triangular filters (bands, size // 2 + 1) of unit area in Hz, 0 Hz to Nyquist.

    Slaney's mel scale (linear below 1 kHz, logarithmic above) and norm, librosa's defaults.
    """
    bins = torch.linspace(0, sample_rate / 2, size // 2 + 1, dtype=torch.float64)
    top = _mel(sample_rate / 2)
    edges = _hertz(torch.linspace(0, top, bands + 2, dtype=torch.float64))
    low, middle, high = (part.unsqueeze(1) for part in (edges[:-2], edges[1:-1], edges[2:]))
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * 2 / (high - low)).float()


KNEE, LINEAR, STEP = (
    1000.0,
    200 / 3,
    math.log(6.4) / 27,
)  # Hz, Hz per mel below, log Hz per mel above


def _mel(hertz: float) -> float:
    if hertz < KNEE:
        return hertz / LINEAR
    return KNEE / LINEAR + math.log(hertz / KNEE) / STEP


def _hertz(mel: Tensor) -> Tensor:
    above = KNEE * (STEP * (mel - KNEE / LINEAR)).exp()
    return torch.where(mel < KNEE / LINEAR, mel * LINEAR, above)
