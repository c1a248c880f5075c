"""Train the tiny codec: `resynth codec train configs/codec-tiny.yaml`.

Loss: L1 between log-mel spectrograms at several resolutions, plus the quantizer's commitment loss.
A share of the batches is decoded from the unquantized latent z, the rest from a random number of
codebooks; with `unquantized_share: 0` the decoder never sees z.

A second stage trains the decoder alone, on z and on EnCodec's own bandwidths: at 24 kHz its
decoder is never trained on fewer than 2 codebooks (1.5 kb/s), so ours is not tuned to x1 either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from harness.codecs.mel import mel_filterbank
from harness.codecs.tiny import TinyModel, TinyShape

MEL_RESOLUTIONS = {256: 20, 512: 40, 1024: 80, 2048: 160}


class CodecTraining(BaseModel):
    """How the tiny codec is trained; every value is in its training record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(default=14_000, ge=1)
    batch_size: int = Field(default=8, ge=1)
    segment_seconds: float = Field(default=1.0, gt=0)
    learning_rate: float = Field(default=8e-4, gt=0)
    warmup_steps: int = Field(default=300, ge=0)
    unquantized_share: float = Field(default=0.6, ge=0, le=1)
    codebooks: tuple[int, ...] = (1, 2, 4, 8)
    decoder_steps: int = Field(default=3000, ge=0)
    decoder_learning_rate: float = Field(default=4e-4, gt=0)
    decoder_codebooks: tuple[int, ...] = (2, 4, 8)
    commitment: float = Field(default=1.0, ge=0)
    gain_db: float = Field(default=6.0, ge=0)
    bfloat16: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Source:
    """Training audio of one corpus, int16 at the codec's rate, with its share of the draws."""

    name: str
    share: float
    audio: Sequence[NDArray[np.int16]]


class MelLoss(nn.Module):
    """Mean over resolutions of the L1 distance between log-mel spectrograms of (B, T) audio."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        for size, bands in MEL_RESOLUTIONS.items():
            self.register_buffer(f"filters_{size}", mel_filterbank(sample_rate, size, bands))
            self.register_buffer(f"window_{size}", torch.hann_window(size))

    def log_mel(self, wav: Tensor, size: int) -> Tensor:
        """Return the log-mel spectrogram (B, bands, frames) at one resolution."""
        window = getattr(self, f"window_{size}")
        spectrum = torch.stft(wav, size, size // 4, window=window, return_complex=True).abs()
        mel: Tensor = getattr(self, f"filters_{size}") @ spectrum
        return mel.clamp(min=1e-5).log()

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """Return the scalar distance."""
        return torch.stack(
            [
                (self.log_mel(estimate, size) - self.log_mel(reference, size)).abs().mean()
                for size in MEL_RESOLUTIONS
            ]
        ).mean()


class CropSampler:
    """Draw batches of random crops, source by share and utterance by length, with random gain."""

    def __init__(self, sources: Sequence[Source], config: CodecTraining, sample_rate: int) -> None:
        self.config = config
        self.length = round(config.segment_seconds * sample_rate)
        self.random = np.random.default_rng(config.seed)
        self.sources = sources
        self.shares = np.array([source.share for source in sources])
        self.shares = self.shares / self.shares.sum()
        self.weights = [
            np.array([len(a) for a in source.audio]) / sum(len(a) for a in source.audio)
            for source in sources
        ]

    def batch(self) -> Tensor:
        """Return wav (B, T)."""
        return torch.stack([self.crop() for _ in range(self.config.batch_size)])

    def crop(self) -> Tensor:
        """Return one crop (T,); a shorter utterance is padded with silence."""
        index = self.random.choice(len(self.sources), p=self.shares)
        audio = self.sources[index].audio
        whole = audio[self.random.choice(len(audio), p=self.weights[index])]
        start = self.random.integers(0, max(1, len(whole) - self.length + 1))
        piece = whole[start : start + self.length].astype(np.float32) / 32768
        gain = 10 ** (self.random.uniform(-self.config.gain_db, self.config.gain_db) / 20)
        piece = np.pad(
            piece * min(gain, 0.99 / max(1e-3, np.abs(piece).max())), (0, self.length - len(piece))
        )
        return torch.from_numpy(piece.astype(np.float32))


Report = Callable[[int, float, float, TinyModel], None]


def train_codec(
    shape: TinyShape,
    config: CodecTraining,
    sources: Sequence[Source],
    report: Report,
    taught: TinyModel | None = None,
) -> TinyModel:
    """Train and return a tiny codec; `report(step, loss, seconds, model)` is called every step.

    With `taught`, its encoder and codebooks are taken over and frozen: the decoder alone is new.
    """
    torch.manual_seed(config.seed)
    np.random.seed(config.seed)
    model = TinyModel(shape)
    if taught is not None:
        model.encoder, model.quantizer = taught.encoder, taught.quantizer
        freeze_encoder(model)
    run_stage(model, config, sources, report)
    return train_decoder(model, config, sources, report)


def freeze_encoder(model: TinyModel) -> None:
    """Leave the decoder alone to train."""
    model.encoder.requires_grad_(False)
    model.quantizer.eval()  # its codebooks are moving averages, which evaluation leaves alone


def train_decoder(
    model: TinyModel, config: CodecTraining, sources: Sequence[Source], report: Report
) -> TinyModel:
    """Train the decoder alone, encoder and codebooks frozen; return the finished codec."""
    second = config.model_copy(
        update={
            "steps": config.decoder_steps,
            "learning_rate": config.decoder_learning_rate,
            "codebooks": config.decoder_codebooks,
            "seed": config.seed + 1,
        }
    )
    torch.manual_seed(second.seed)
    freeze_encoder(model)
    run_stage(model, second, sources, report)
    return model.eval()


def run_stage(
    model: TinyModel, config: CodecTraining, sources: Sequence[Source], report: Report
) -> None:
    """Train what of the model requires gradients for `config.steps` steps."""
    torch.set_flush_denormal(True)  # tiny gradients of near-silent frames cost a factor of 14
    mel = MelLoss(model.shape.sample_rate)
    sampler = CropSampler(sources, config, model.shape.sample_rate)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, config.learning_rate, betas=(0.8, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate(step, config)
    )
    started = time.monotonic()
    for step in range(1, config.steps + 1):
        loss = training_loss(model, mel, sampler.batch(), config, sampler.random)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 10.0)
        optimiser.step()
        schedule.step()
        report(step, loss.item(), time.monotonic() - started, model)


def learning_rate(step: int, config: CodecTraining) -> float:
    """Linear warm-up, then a half cosine to 1 % of the peak."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    progress = step / config.steps
    return warm * float(0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * progress)))


def training_loss(
    model: TinyModel, mel: MelLoss, wav: Tensor, config: CodecTraining, random: np.random.Generator
) -> Tensor:
    """Return the loss of one batch, through z or through a random number of codebooks."""
    mask = torch.ones(wav.shape[0], model.frames(wav.shape[1]), 1)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        latent = model.encode(wav, mask)
    latent, commitment = latent.float(), torch.zeros(())
    if random.random() >= config.unquantized_share:
        count = int(random.choice(config.codebooks))
        quantized, _, losses = model.quantizer(latent.transpose(1, 2), n_q=count)
        latent, commitment = quantized.transpose(1, 2), losses.mean()
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        estimate = model.decode(latent, mask)
    distance: Tensor = mel(estimate[:, : wav.shape[1]], wav)
    return distance + config.commitment * commitment
