"""The embedded codecs: `tiny`, and `tiny-codes`, whose decoder never saw an unquantized latent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Json,
    PositiveInt,
    ValidationError,
    field_validator,
)

from harness.codecs.family import Family, limit_codebooks, refuse_options
from harness.codecs.weights import (
    check_sha256,
    given_weights,
    safetensors_metadata,
    verified_sha256,
    weights_sha256,
)
from harness.config import CodecConfig
from harness.data.embedded import ASSETS
from harness.errors import UserError
from harness.records import CodecFacts

if TYPE_CHECKING:
    from harness.codecs.base import Codec


class TinyShape(BaseModel):
    """Geometry and size; the defaults' geometry is EnCodec 24 kHz at 6 kb/s."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sample_rate: PositiveInt = 24_000
    hop: PositiveInt = 320
    window: PositiveInt = 1280
    mels: PositiveInt = 100
    codebooks: PositiveInt = 8
    entries: PositiveInt = 1024
    dimension: PositiveInt = 128
    encoder_blocks: PositiveInt = 3
    encoder_width: PositiveInt = 192
    decoder_blocks: PositiveInt = 4
    decoder_width: PositiveInt = 288
    expansion: PositiveInt = 3


class TinyHeader(BaseModel):
    """The metadata of a tiny codec's file that loading it needs, all strings in the file.

    `trained_audio` are (id, first 16 digits of the sha256) of every utterance that training saw;
    `encoder_sha256`, of a file of a decoder alone, is of the whole codec it goes with.
    """

    model_config = ConfigDict(frozen=True)

    codec: Literal["tiny"]
    shape: Json[TinyShape]
    trained_on: Json[tuple[str, ...]]
    trained_audio: Json[tuple[tuple[str, str], ...]]
    encoder_sha256: str | None = None

    @field_validator("shape")
    @classmethod
    def whole(cls, shape: TinyShape) -> TinyShape:
        """Refuse a shape of which something is left to the defaults."""
        absent = TinyShape.model_fields.keys() - shape.model_fields_set
        if absent:
            raise ValueError(f"lacks {', '.join(sorted(absent))}")
        return shape


class Tiny(Family):
    """EnCodec's geometry in 10 MB. Facts are read from the weights' header: training wrote them."""

    names: ClassVar[tuple[str, ...]] = ("tiny", "tiny-codes")
    packages: ClassVar[tuple[str, ...]] = ("torch", "encodec")
    encode_rtf: ClassVar[Mapping[str, float]] = {"tiny": 0.007, "tiny-codes": 0.007}

    def weights(self, config: CodecConfig) -> Path:
        """See `Family.weights`."""
        embedded = ASSETS / f"{config.name}.safetensors"
        return given_weights(config, embedded, "install resynth-bench again")

    def facts(self, config: CodecConfig) -> CodecFacts:
        """See `Family.facts`."""
        refuse_options(config, "bandwidth")
        path = self.weights(config)
        header = read_header(path)
        digest = verified_sha256(config, path)
        if taught_by(path) is not None:
            digest = hashlib.sha256(f"{header.encoder_sha256}{digest}".encode()).hexdigest()
        shape = header.shape
        facts = CodecFacts.of(
            name=config.name,
            sample_rate=shape.sample_rate,
            frame_rate=shape.sample_rate / shape.hop,
            sizes=(shape.entries,) * shape.codebooks,
            dimension=shape.dimension,
            sha256=digest,
            licence="Apache-2.0",
            trained_on=header.trained_on,
        )
        return limit_codebooks(config, facts)

    def load(self, config: CodecConfig, facts: CodecFacts) -> Codec:
        """See `Family.load`."""
        from harness.codecs.tiny_codec import load_tiny

        return load_tiny(facts, self.weights(config))

    def trained_audio(self, config: CodecConfig) -> Set[str]:
        """See `Family.trained_audio`."""
        header = read_header(self.weights(config))
        return frozenset(digest for _, digest in header.trained_audio)


def taught_by(path: Path) -> Path | None:
    """Return the tiny codec whose encoder and codebooks a file of a decoder alone goes with.

    None for a whole codec. Raises UserError if the embedded codec is another one.
    """
    expected = read_header(path).encoder_sha256
    if expected is None:
        return None
    embedded = ASSETS / "tiny.safetensors"
    found = weights_sha256(embedded)
    check_sha256(embedded, found, expected, f"the encoder that {path.name} was trained with")
    return embedded


def read_header(path: Path) -> TinyHeader:
    """Return the training record of a tiny codec's file. Raises UserError if it is not one."""
    try:
        metadata = safetensors_metadata(path)
        if metadata.get("codec") != "tiny":
            raise ValueError("names no tiny codec in its header")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: is not a tiny codec checkpoint ({error}); train one with `resynth codec "
            "train`"
        ) from error
    try:
        return TinyHeader.model_validate(metadata)
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(
            f"{path}: its header is damaged ('{fault['loc'][0]}': {fault['msg']}); train it again "
            "with `resynth codec train`"
        ) from error
