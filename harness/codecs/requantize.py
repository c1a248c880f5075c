"""The requantization study: a frozen codec's codebooks refitted to its z by k-means.

Codebook after codebook is fitted to the residual of those before, so the first n of N codebooks
are the n-codebook quantizer, and one fit per K serves every N. Frames are (M, D), codes (M, N).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from harness.codecs.base import Codec
from harness.codecs.kmeans import DEFAULTS, KMeansSettings, fit_codebook
from harness.codecs.requantized import RequantizedCodec, nearest
from harness.data.corpus import Corpus, Utterance
from harness.errors import UserError
from harness.latents import encode_utterance
from harness.records import CodecFacts, Refit

CHUNK = 8192  # frames quantized at once
FITTED_VALUES = 1 << 27  # of z in memory: 512 MB, a million frames of 128 dimensions
HELD_OUT_FRAMES = 1 << 16
Report = Callable[[str, int, int], None]
"""What is under way, how much of it is done, and of how much."""


class Quantization(NamedTuple):
    """What quantizing loses with the first n codebooks, n = 1..N, and how each one is used.

    `mse` is per dimension; `error_db` is 10 log10(mse / variance), the variance of z per dimension
    on the same frames; `usage` is the share of entries in use, `entropy` of the codes in bits.
    """

    mse: tuple[float, ...]
    error_db: tuple[float, ...]
    usage: tuple[float, ...]
    entropy: tuple[float, ...]


@dataclass(frozen=True)
class Arm:
    """Codebooks of `entries` each, the first `kept` excepted: those stay the base codec's own."""

    entries: int
    kept: int = 0

    @property
    def label(self) -> str:
        """How the board names it: k512, or k512-x1 where codebook 1 is held fixed."""
        held = {0: "", 1: "-x1"}.get(self.kept, f"-x1to{self.kept}")
        return f"k{self.entries}{held}"


@dataclass(frozen=True)
class Frames:
    """Latents z (M, D), the base codec's codes (M, N) of them, and whose they are."""

    z: Tensor
    codes: Tensor
    rows: tuple[Utterance, ...]


@dataclass(frozen=True)
class Quantizer:
    """N codebooks, each (K, D) on the CPU, and what they lose on held-out frames."""

    books: tuple[Tensor, ...]
    refit: Refit


def read_frames(
    codec: Codec, corpus: Corpus, rows: Sequence[Utterance], limit: int, seed: int, report: Report
) -> Frames:
    """Encode utterances in an order drawn by seed until there are `limit` frames, and no more.

    So a corpus of any size costs bounded time and memory; a smaller one is read whole.
    """
    random.Random(seed).shuffle(rows := sorted(rows, key=lambda row: row.id))
    latents: list[Tensor] = []
    codes: list[Tensor] = []
    missing = limit
    for row in rows:
        encoded = encode_utterance(codec, corpus, row)
        latents.append(encoded.z[0, :missing])
        codes.append(encoded.codes[0, :, :missing].T.to(torch.int16))
        missing -= len(latents[-1])
        report("encode: utterance", len(latents), len(rows))
        if missing == 0:
            break
    return Frames(torch.cat(latents), torch.cat(codes), tuple(rows[: len(latents)]))


def measure_quantization(codec: Codec, z: Tensor) -> Quantization:
    """Measure what any codec's quantizer loses on frames z (M, D).

    Raises UserError if there are no frames, or they all are the same: there is nothing to lose.
    """
    if len(z) == 0 or not (variance := float(z.double().var(0, correction=0).mean())) > 0:
        raise UserError("the frames to measure on are none or all the same; give other audio")
    count = codec.facts.codebooks
    squares = torch.zeros(count, dtype=torch.float64)
    seen = [torch.zeros(size, dtype=torch.long) for size in codec.facts.sizes]
    for chunk in torch.split(z, CHUNK):
        with torch.no_grad():
            codes = codec.quantize(chunk[None])
            for n in range(1, count + 1):
                squares[n - 1] += (chunk - codec.embed(codes, n)[0]).double().square().sum()
        for number, size in enumerate(codec.facts.sizes):
            seen[number] += torch.bincount(codes[0, number], minlength=size)
    mse = [float(square) / z.numel() for square in squares]
    shares = [counts.double() / len(z) for counts in seen]
    return Quantization(
        tuple(mse),
        tuple(10 * math.log10(x / variance) if x > 0 else -math.inf for x in mse),
        tuple(float((share > 0).double().mean()) for share in shares),
        tuple(float(torch.special.entr(share).sum()) / math.log(2) for share in shares),
    )


def fit_quantizer(
    codec: Codec,
    fitted: Frames,
    held_out: Tensor,
    arm: Arm,
    codebooks: int,
    seed: int,
    device: str,
    report: Report,
    settings: KMeansSettings = DEFAULTS,
) -> Quantizer:
    """Fit one arm's codebooks on a device and measure them on held-out frames (M, D).

    With codebooks kept, the others are fitted to what the embedding of the kept codes leaves of z,
    also where the base codec's own run beside each other (Mimi's semantic codebook). Raises
    UserError if there are too few frames, or if they are not finite.
    """
    check_arm(codec.facts, arm, codebooks)
    if len(held_out) < arm.entries:
        raise UserError(
            f"{len(held_out)} held-out frames cannot show the use of {arm.entries} entries; give "
            "more validation audio or fewer entries"
        )
    kept = list(codec.codebooks()[: arm.kept])
    residual = fitted.z
    if arm.kept:
        residual = residual - codec.embed(fitted.codes.T[None].long(), arm.kept)[0]

    def done(number: int) -> None:
        report(f"{arm.label}: codebook", number, codebooks)

    books = fit_residuals(
        residual.to(device), arm.entries, range(arm.kept + 1, codebooks + 1), seed, settings, done
    )
    books = [book.detach().cpu().clone() for book in [*kept, *books]]
    trial = RequantizedCodec(plain_facts(codec.facts, books), codec, books, arm.kept)
    lost = measure_quantization(trial, held_out)
    if not all(map(math.isfinite, lost.error_db)):
        raise UserError("the held-out frames are all entries of the codebooks; give other audio")
    refit = Refit(
        base=codec.facts.name,
        label=arm.label,
        kept=arm.kept,
        seed=seed,
        frames=len(fitted.z),
        **lost._asdict(),
    )
    return Quantizer(tuple(books), refit)


def fit_residuals(
    residual: Tensor,
    entries: int,
    numbers: Sequence[int],
    seed: int,
    settings: KMeansSettings,
    done: Callable[[int], None],
) -> list[Tensor]:
    """Fit codebook after codebook, each to what those before leave of the frames (M, D).

    Codebook k draws from its own generator: it does not depend on how many follow.
    """
    books: list[Tensor] = []
    for number in numbers:
        generator = torch.Generator().manual_seed((seed << 16) + number)
        book = fit_codebook(residual, entries, generator, settings)
        residual = residual - book[nearest(residual, book)]
        books.append(book)
        done(number)
    return books


def check_arm(base: CodecFacts, arm: Arm, codebooks: int) -> None:
    """Raise UserError unless so many codebooks can be kept, and at least one is left to fit."""
    if not 0 <= arm.kept <= min(base.codebooks, codebooks - 1):
        raise UserError(
            f"{arm.kept} codebooks kept: codec '{base.name}' has {base.codebooks}, and of "
            f"{codebooks} at least one must be fitted; keep fewer"
        )


def plain_facts(base: CodecFacts, books: Sequence[Tensor]) -> CodecFacts:
    """Return the geometry of a codec with other codebooks, for measuring before there is a file."""
    return CodecFacts.of(
        [len(book) for book in books],
        base.frame_rate,
        name=base.name,
        sample_rate=base.sample_rate,
        dimension=base.dimension,
        sha256=base.sha256,
        licence=base.licence,
    )
