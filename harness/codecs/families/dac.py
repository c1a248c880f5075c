"""DAC (Kumar et al. 2023, arXiv 2306.06546) through transformers, as the extra `codecs`: facts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from harness.codecs.hub import SETTINGS, HubFamily, parse_settings
from harness.errors import UserError
from harness.records import CodecFacts

if TYPE_CHECKING:
    from harness.codecs.base import Codec

RATES = {"dac-16khz": 16_000, "dac-24khz": 24_000, "dac-44khz": 44_100}


class DacSettings(BaseModel):
    """What config.json says of the geometry; D is the encoder's width, doubled at every stride."""

    model_config = ConfigDict(strict=True)

    sampling_rate: PositiveInt
    encoder_hidden_size: PositiveInt
    downsampling_ratios: list[PositiveInt] = Field(min_length=1)
    n_codebooks: PositiveInt
    codebook_size: int = Field(ge=2)


class Dac(HubFamily):
    """The three published models, all trained on the same audio."""

    names: ClassVar[tuple[str, ...]] = tuple(RATES)
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    encode_rtf: ClassVar[Mapping[str, float]] = {
        "dac-16khz": 0.25,
        "dac-24khz": 0.39,
        "dac-44khz": 1.15,
    }
    repositories: ClassVar[Mapping[str, str]] = {
        "dac-16khz": "descript/dac_16khz",
        "dac-24khz": "descript/dac_24khz",
        "dac-44khz": "descript/dac_44khz",
    }
    model_type: ClassVar[str] = "dac"

    def describe(self, name: str, folder: Path, sha256: str) -> CodecFacts:
        """See `HubFamily.describe`."""
        shape = parse_settings(folder, self.model_type, DacSettings)
        if shape.sampling_rate != RATES[name]:
            raise UserError(
                f"{folder / SETTINGS}: is of a codec at {shape.sampling_rate} Hz, '{name}' runs at "
                f"{RATES[name]} Hz; choose one of {', '.join(RATES)}"
            )
        return CodecFacts.of(
            name=name,
            sample_rate=shape.sampling_rate,
            frame_rate=shape.sampling_rate / math.prod(shape.downsampling_ratios),
            sizes=(shape.codebook_size,) * shape.n_codebooks,
            dimension=shape.encoder_hidden_size * 2 ** len(shape.downsampling_ratios),
            sha256=sha256,
            licence="MIT",
            trained_on=(
                "DAPS",
                "DNS Challenge 4",
                "Common Voice",
                "VCTK",
                "MUSDB",
                "Jamendo",
                "AudioSet",
            ),
        )

    def load_folder(self, facts: CodecFacts, folder: Path) -> Codec:
        """See `HubFamily.load_folder`."""
        from harness.codecs.dac import load_dac

        return load_dac(facts, folder)
