"""Spectral losses against librosa, the inverse STFT against the STFT, and the vocoder itself."""

from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor

from methods.base import Audio, Backbone, Batch, Inputs, LatentSpace, MethodError
from methods.nets.spectral import RESOLUTIONS, SpectralLoss, inverse_stft, mel_filterbank
from methods.vocoder import Vocoder

RATE, HOP, K, D, FRAMES = 24_000, 320, 6, 8, 48


def latent_space(sample_rate: int = RATE) -> LatentSpace:
    books = torch.randn(2, K, D, generator=torch.Generator().manual_seed(0))
    return LatentSpace(books, torch.zeros(D), torch.ones(D), 75.0, sample_rate)


def tones() -> Batch:
    """Code c sounds as a tone of 300 (c + 1) Hz and its octave, over noise, for six frames."""
    generator = torch.Generator().manual_seed(1)
    x1 = torch.randint(0, K, (4, FRAMES // 6), generator=generator).repeat_interleave(6, dim=1)
    turns = 2 * torch.pi * (300 * (x1 + 1)).repeat_interleave(HOP, dim=1).cumsum(1) / RATE
    codes = torch.stack((x1, torch.zeros_like(x1)), dim=1)
    wav = 0.1 * turns.sin() + 0.05 * (2 * turns).sin()
    wav = wav + 0.005 * torch.randn(wav.shape, generator=generator)
    return Batch(codes, torch.zeros(4, FRAMES, D), x1 >= 0, wav=wav)


def noise(samples: int, seed: int) -> Tensor:
    return 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100])
@pytest.mark.parametrize(("size", "bands"), RESOLUTIONS.items())
def test_mel_filters_are_librosas(rate: int, size: int, bands: int) -> None:
    expected = librosa.filters.mel(sr=rate, n_fft=size, n_mels=bands)
    found = mel_filterbank(rate, size, bands).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert (found.max(1) > 0).all(), "no band is empty"


def test_losses_are_those_of_librosas_spectra() -> None:
    length, total = 7_000, 12_000
    ours, truth = noise(total, 1), noise(total, 2).cumsum(1) / 20
    ours[:, length:], truth[:, length:] = 0, 0
    mel, stft = SpectralLoss(RATE)(ours, truth, torch.tensor([length]))
    mels, stfts = [], []
    for size, bands in RESOLUTIONS.items():
        count = -(-length // (size // 4))  # frames whose middle is before the end
        spectra = [
            np.abs(librosa.stft(x[0].numpy(), n_fft=size, hop_length=size // 4, window="hann"))
            for x in (ours, truth)
        ]
        a, b = (spectrum[:, :count] for spectrum in spectra)
        filters = librosa.filters.mel(sr=RATE, n_fft=size, n_mels=bands)
        logs = [np.log(np.maximum(x, 1e-5)) for x in (a, b, filters @ a, filters @ b)]
        stfts.append(np.linalg.norm(a - b) / np.linalg.norm(b) + np.abs(logs[0] - logs[1]).mean())
        mels.append(np.abs(logs[2] - logs[3]).mean())
    assert float(mel) == pytest.approx(np.mean(mels), rel=1e-4)
    assert float(stft) == pytest.approx(np.mean(stfts), rel=1e-4)


def test_losses_are_zero_on_equal_audio_and_finite_on_silence() -> None:
    loss, wav, length = SpectralLoss(RATE), noise(4_000, 1), torch.tensor([4_000])
    assert [float(part) for part in loss(wav, wav, length)] == [0, 0]
    still = torch.zeros_like(wav).requires_grad_()
    mel, stft = loss(still, wav, length)
    torch.autograd.backward(mel + stft + loss(still, torch.zeros_like(wav), length)[1])
    assert still.grad is not None and bool(still.grad.isfinite().all())


@pytest.mark.parametrize("hop", [320, 160, 75])
def test_the_inverse_stft_restores_audio_from_its_spectra(hop: int) -> None:
    frames, window = 9, torch.hann_window(4 * hop)
    wav, margin = noise(frames * hop, 3), (len(window) - hop) // 2
    padded = torch.nn.functional.pad(wav, (margin, len(window) - hop - margin))
    spectra = torch.fft.rfft(padded.unfold(1, len(window), hop) * window)
    output = torch.cat((spectra.abs().clamp(min=1e-9).log(), spectra.angle()), dim=-1)
    mask = torch.ones(1, frames, dtype=torch.bool)
    torch.testing.assert_close(inverse_stft(output, mask, window), wav, rtol=0, atol=1e-5)


@pytest.mark.parametrize("subframes", [1, 4])
@pytest.mark.parametrize("sample_rate", [RATE, 48_000])
def test_an_utterance_sounds_the_same_in_any_batch(sample_rate: int, subframes: int) -> None:
    torch.manual_seed(0)
    chosen, space = Vocoder.Params(subframes=subframes), latent_space(sample_rate)
    method = Vocoder(chosen, space, Backbone(layers=1, width=16)).eval()
    lengths = [FRAMES, 7, 1]
    x1 = torch.randint(0, K, (3, FRAMES))
    mask = torch.arange(FRAMES) < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        together = method.resynthesize(Inputs(x1, mask), 1, [])
        assert isinstance(together, Audio) and together.sample_rate == sample_rate
        assert together.samples.shape == (3, FRAMES * space.hop)
        for row, length in enumerate(lengths):
            end = length * space.hop
            part = Inputs(x1[row : row + 1, :length], mask[row : row + 1, :length])
            alone = method.resynthesize(part, 1, [])
            assert isinstance(alone, Audio) and alone.samples.shape == (1, end)
            torch.testing.assert_close(
                alone.samples[0], together.samples[row, :end], rtol=0, atol=1e-5
            )
            assert alone.samples.abs().max() > 1e-3
            assert bool((together.samples[row, end:] == 0).all())


def test_losses_leave_padding_out() -> None:
    torch.manual_seed(0)
    method = Vocoder(Vocoder.Params(), latent_space(), Backbone(layers=1, width=16)).train()
    full = tones()
    mask = torch.arange(FRAMES) < torch.tensor([FRAMES, 20, 9, 1])[:, None]
    assert full.wav is not None
    loud = torch.where(mask.repeat_interleave(HOP, dim=1), full.wav, 5.0)
    for compute in (method.loss, method.critic_loss):
        batches = (replace(full, mask=mask), replace(full, mask=mask, wav=loud))
        quiet, noisy = (compute(batch, torch.Generator()) for batch in batches)
        torch.testing.assert_close(quiet, noisy)


def test_the_critic_enters_after_the_warm_start_and_only_if_it_weighs() -> None:
    torch.manual_seed(0)
    method = Vocoder(Vocoder.Params(), latent_space(), Backbone(layers=1, width=16)).train()
    early, late = replace(tones(), progress=0.4), replace(tones(), progress=0.6)
    generator = torch.Generator()
    plain, refined = (method.loss(batch, generator) for batch in (early, late))
    assert abs(float(refined - plain)) > 1e-3
    torch.testing.assert_close(method.eval().loss(late, generator), plain)
    torch.autograd.backward(method.critic_loss(early, generator))
    assert all(parameter.grad is None for parameter in method.parameters())
    alone = Vocoder(Vocoder.Params(adversarial=0.0), latent_space(), Backbone(layers=1, width=16))
    assert alone.critics() == ()
    with pytest.raises(MethodError, match="no critics"):
        alone.critic_loss(late, generator)


def test_what_it_cannot_do_is_said() -> None:
    backbone = Backbone(layers=1, width=16)
    with pytest.raises(MethodError, match="320 samples does not split into 3"):
        Vocoder(Vocoder.Params(subframes=3), latent_space(), backbone)
    with pytest.raises(MethodError, match="audio"):
        Vocoder(Vocoder.Params(), latent_space(), backbone).loss(
            replace(tones(), wav=None), torch.Generator()
        )


@pytest.mark.slow
@pytest.mark.parametrize("adversarial", [0.0, 0.03])
def test_it_learns_the_sound_of_each_code(adversarial: float) -> None:
    torch.manual_seed(0)
    params = Vocoder.Params(adversarial=adversarial)
    method = Vocoder(params, latent_space(), Backbone(layers=2, width=64)).train()
    critic = {id(p) for module in method.critics() for p in module.parameters()}
    groups = [[p for p in method.parameters() if (id(p) in critic) == judge] for judge in (0, 1)]
    optimisers = [torch.optim.AdamW(group, lr=2e-3) for group in groups if group]
    batch, generator = tones(), torch.Generator().manual_seed(0)

    for step in range(steps := 100):
        now = replace(batch, progress=step / steps)
        losses = [method.loss, method.critic_loss][: len(optimisers)]
        for compute, optimiser in reversed(list(zip(losses, optimisers, strict=True))):
            optimiser.zero_grad()
            torch.autograd.backward(compute(now, generator))
            optimiser.step()
    with torch.no_grad():
        made = method.eval().resynthesize(Inputs(batch.codes[:, 0], batch.mask), 1, [])
    assert isinstance(made, Audio)
    loss, lengths = SpectralLoss(RATE), torch.full((4,), FRAMES * HOP)
    distance, _ = loss(made.samples, batch.audio(), lengths)
    other, _ = loss(batch.audio().roll(1, 0), batch.audio(), lengths)  # right tones, wrong places
    print("vocoder", adversarial, float(distance), float(other))
    assert distance < 0.4 * other
