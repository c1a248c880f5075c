"""The small world that methods are checked in: a toy codec, its data, and watched inputs.

Utterances of several lengths share a batch, one of them a single frame. What a method has not
declared is there all the same, behind a guard that notes who reads it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from methods.base import Batch, Decode, Inputs, LatentSpace

N, K, D, FRAMES = 8, 32, 16, 24
LENGTHS = (24, 15, 1)
FRAME_RATE, SAMPLE_RATE = 75.0, 24_000
REFERENCE_RATE, REFERENCE_HOP = 300, 4  # of the toy reference: Hz, and samples per frame


@dataclass(frozen=True)
class Touch:
    """A forbidden thing that was read, and the code that read it, innermost first."""

    what: str
    frames: tuple[tuple[str, int], ...]


def touch(what: str) -> Touch:
    """Note who reads `what` now."""
    frame = sys._getframe(1)
    found = []
    while frame.f_back is not None:
        frame = frame.f_back
        found.append((frame.f_code.co_filename, frame.f_lineno))
    return Touch(what, tuple(found))


class Extras(Mapping[str, Tensor]):
    """Declared extras, and the withheld ones, whose reading is noted in `touched`."""

    def __init__(
        self, given: Mapping[str, Tensor], withheld: Mapping[str, Tensor], touched: list[Touch]
    ) -> None:
        self.given, self.withheld, self.touched = given, withheld, touched

    def __getitem__(self, key: str) -> Tensor:
        if key not in self.withheld:
            return self.given[key]
        self.touched.append(touch(f"inputs.extras['{key}']"))
        return self.withheld[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


@dataclass(frozen=True)
class WatchedBatch(Batch):
    """A batch whose audio and decoder, where they are not declared, are withheld but work."""

    withheld: Batch | None = None
    touched: list[Touch] = field(default_factory=list)

    def audio(self) -> Tensor:
        """Return the audio; note it if the method does not declare it."""
        if self.wav is None and self.withheld is not None:
            self.touched.append(touch("batch.audio()"))
            return self.withheld.audio()
        return super().audio()

    def decode(self, latent: Tensor) -> Tensor:
        """Decode; note it if the method does not declare the decoder."""
        if self.decoder is None and self.withheld is not None:
            self.touched.append(touch("batch.decode()"))
            return self.withheld.decode(latent)
        return super().decode(latent)


def toy_space() -> LatentSpace:
    """Return N codebooks of K entries of falling size, standardised by other than 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    scale = 0.7 ** torch.arange(N)[:, None, None]
    books = scale * torch.randn(N, K, D, generator=generator)
    mean, std = torch.linspace(-1, 1, D), torch.linspace(0.5, 2, D)
    return LatentSpace(books, mean, std, FRAME_RATE, SAMPLE_RATE)


def separate_space() -> LatentSpace:
    """Return a space whose codebooks own D / N dimensions each: a sum shows every code in it."""
    generator = torch.Generator().manual_seed(1)
    owned = torch.arange(D) // (D // N) == torch.arange(N)[:, None]
    books = torch.randn(N, K, D, generator=generator) * owned[:, None]
    return LatentSpace(books, torch.zeros(D), torch.ones(D), FRAME_RATE, SAMPLE_RATE)


def toy_decoder(hop: int) -> Decode:
    """Return a frozen, differentiable decoder: one linear map from a frame to `hop` samples."""
    generator = torch.Generator().manual_seed(3)
    weight = 0.1 / D**0.5 * torch.randn(D, hop, generator=generator)
    return lambda latent: (latent @ weight.to(latent.device)).flatten(1)


def toy_batch(space: LatentSpace) -> Batch:
    """Return training data with everything a method may need."""
    generator = torch.Generator().manual_seed(2)
    count = len(LENGTHS)
    codes = torch.randint(0, K, (count, N, FRAMES), generator=generator)
    z = space.embed(codes) + 0.1 * torch.randn(count, FRAMES, D, generator=generator)
    mask = torch.arange(FRAMES) < torch.tensor(LENGTHS)[:, None]
    decoder = toy_decoder(space.hop)
    return Batch(codes, z, mask, decoder(z), decoder)


def repadded(batch: Batch) -> Batch:
    """Return the batch with other codes, z and audio in padded places."""
    real = batch.mask
    wav = batch.audio()
    heard = real.repeat_interleave(wav.shape[1] // real.shape[1], dim=1)
    return replace(
        batch,
        codes=torch.where(real[:, None], batch.codes, K - 1),
        z=torch.where(real[..., None], batch.z, 50.0),
        wav=torch.where(heard, wav, 0.5),
    )


def toy_extras(batch: Batch) -> dict[str, Tensor]:
    """Return every extra there is, for a batch."""
    count = len(batch.codes)
    audio = torch.linspace(-1, 1, count * FRAMES * REFERENCE_HOP).view(count, -1)
    rate = torch.tensor(REFERENCE_RATE)
    return {"codes": batch.codes, "z": batch.z, "reference": audio, "reference_rate": rate}


def narrow(full: Inputs, row: int, frames: int) -> Inputs:
    """Return one utterance of `full`, cut to `frames`; its reference stays whole."""
    one = slice(row, row + 1)
    cut = {}
    for key, value in full.extras.items():
        part = value if value.dim() == 0 else value[one]
        part = part[..., :frames] if key == "codes" else part
        cut[key] = part[:, :frames] if key == "z" else part
    return replace(full, x1=full.x1[one, :frames], mask=full.mask[one, :frames], extras=cut)
