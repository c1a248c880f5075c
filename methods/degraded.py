"""Degraded references: known artefacts at known levels, to learn what each metric sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from methods.artefacts.base import Samples, Speech
from methods.artefacts.catalog import check_level, degrade
from methods.artefacts.words import Words, read_words, sample_key
from methods.base import Audio, Backbone, Inputs, LatentSpace, Method, MethodError


class Degraded(Method):
    """The reference with one artefact at one level; with no level, the reference itself.

    Units of the levels are in `methods.artefacts.catalog`. The random numbers of an utterance are
    the same at every level, so levels differ in nothing else.
    """

    name: ClassVar[str] = "degraded"
    summary: ClassVar[str] = "The reference with one known artefact at a graded level."
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    kind: ClassVar[str] = "anchor"
    trains: ClassVar[bool] = False
    target: ClassVar[str] = "none"
    nfe: ClassVar[int] = 0
    conditions_on: ClassVar[tuple[str, ...]] = ("reference",)

    class Params(Method.Params):
        """The artefact and its level; for words, the file of their times and its SHA-256.

        What is excluded is where a file lies on this machine: its hash says which file it is.
        """

        artefact: Literal[
            "white_noise",
            "babble",
            "clipping",
            "band_limit",
            "packet_loss",
            "robotic_phase",
            "time_smear",
            "monotone",
            "pitch_shift",
            "voice_shift",
            "word_drop",
            "word_swap",
        ] = "white_noise"
        level: float | None = None
        words: Annotated[str | None, Field(exclude=True)] = None
        words_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        self.artefact, self.level = params.artefact, params.level
        if self.level is not None:
            check_level(self.artefact, self.level)
        if (params.words is None) != (params.words_sha256 is None):
            raise MethodError("degraded: give params.words and params.words_sha256 together")
        self.words: Words | None = None
        if params.words is not None and params.words_sha256 is not None:
            self.words = read_words(Path(params.words), params.words_sha256)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return extras "reference" (B, T) with the artefact, at its own rate and length."""
        self.check_request(inputs, nfe)
        reference, rate = inputs.extras["reference"], int(inputs.extras["reference_rate"])
        rows = [
            self.row(samples.cpu().numpy(), rate, generator)
            for samples, generator in zip(reference, generators, strict=True)
        ]
        return Audio(torch.from_numpy(np.stack(rows)).to(reference.device), rate)

    def row(self, samples: Samples, rate: int, generator: torch.Generator) -> Samples:
        """Degrade one utterance (T,). Raises MethodError if the file of words lacks it."""
        if self.level is None:
            return samples
        seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
        words = None
        if self.words is not None:
            key = sample_key(samples)
            if key not in self.words:
                raise MethodError(f"degraded: params.words does not hold utterance {key[:12]}")
            words = self.words[key]
        random = np.random.default_rng(int(seed))
        speech = Speech(samples.astype(np.float64), rate, random, words)
        return degrade(self.artefact, speech, self.level)
