"""Mimi (Défossez et al. 2024, arXiv 2410.00037) through transformers, as the extra `codecs`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from harness.codecs.hub import SETTINGS, HubFamily, parse_settings
from harness.errors import UserError
from harness.records import CodecFacts

if TYPE_CHECKING:
    from harness.codecs.base import Codec


class MimiSettings(BaseModel):
    """What config.json says of the geometry; older files give the frame rate too."""

    model_config = ConfigDict(strict=True)

    sampling_rate: PositiveInt
    audio_channels: Literal[1]
    upsampling_ratios: list[PositiveInt] = Field(min_length=1)
    hidden_size: PositiveInt
    num_quantizers: PositiveInt
    num_semantic_quantizers: PositiveInt
    codebook_size: int = Field(ge=2)
    frame_rate: PositiveFloat | None = None

    @property
    def hop(self) -> int:
        """Samples per frame: the convolutions' strides, and 2 after the encoder's transformer."""
        return 2 * math.prod(self.upsampling_ratios)


class Mimi(HubFamily):
    """The published model; K = 2048 and 12.5 frames per second."""

    names: ClassVar[tuple[str, ...]] = ("mimi",)
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    encode_rtf: ClassVar[Mapping[str, float]] = {"mimi": 0.094}
    repositories: ClassVar[Mapping[str, str]] = {"mimi": "kyutai/mimi"}
    model_type: ClassVar[str] = "mimi"

    def describe(self, name: str, folder: Path, sha256: str) -> CodecFacts:
        """See `HubFamily.describe`; the semantic codebooks come first, beside the others."""
        shape = parse_settings(folder, self.model_type, MimiSettings)
        frame_rate = shape.sampling_rate / shape.hop
        if shape.frame_rate not in (None, frame_rate):
            raise UserError(
                f"{folder / SETTINGS}: frame_rate is {shape.frame_rate}, but its strides give "
                f"{frame_rate:g}; get the file again"
            )
        return CodecFacts.of(
            name=name,
            sample_rate=shape.sampling_rate,
            frame_rate=frame_rate,
            sizes=(shape.codebook_size,) * shape.num_quantizers,
            parallel_codebooks=shape.num_semantic_quantizers,
            dimension=shape.hidden_size,
            sha256=sha256,
            licence="CC BY 4.0",
            trained_on=("7 million hours of audio, mostly English speech, not named",),
        )

    def load_folder(self, facts: CodecFacts, folder: Path) -> Codec:
        """See `HubFamily.load_folder`."""
        from harness.codecs.mimi import load_mimi

        return load_mimi(facts, folder)
