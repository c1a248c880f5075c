"""The embedded codecs: `tiny`, and `tiny-codes`, whose decoder never saw an unquantized latent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.codecs.family import Family, limit_codebooks, refuse_options
from harness.codecs.weights import (
    check_sha256,
    given_weights,
    safetensors_metadata,
    verified_sha256,
)
from harness.config import CodecConfig
from harness.data.embedded import ASSETS
from harness.errors import UserError
from harness.records import CodecFacts

if TYPE_CHECKING:
    from harness.codecs.base import Codec


class Tiny(Family):
    """EnCodec's geometry in 10 MB. Facts are read from the weights' header: training wrote them."""

    names: ClassVar[tuple[str, ...]] = ("tiny", "tiny-codes")
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
            digest = hashlib.sha256(f"{header['encoder_sha256']}{digest}".encode()).hexdigest()
        shape = json.loads(header["shape"])
        facts = CodecFacts.of(
            name=config.name,
            sample_rate=shape["sample_rate"],
            frame_rate=shape["sample_rate"] / shape["hop"],
            sizes=(shape["entries"],) * shape["codebooks"],
            dimension=shape["dimension"],
            sha256=digest,
            licence="Apache-2.0",
            trained_on=tuple(json.loads(header["trained_on"])),
        )
        return limit_codebooks(config, facts)

    def load(self, config: CodecConfig, facts: CodecFacts) -> Codec:
        """See `Family.load`."""
        from harness.codecs.tiny_codec import load_tiny

        return load_tiny(facts, self.weights(config))

    def trained_audio(self, config: CodecConfig) -> Set[str]:
        """See `Family.trained_audio`."""
        files = json.loads(read_header(self.weights(config))["trained_audio"])
        return frozenset(digest for _, digest in files)


def taught_by(path: Path) -> Path | None:
    """Return the tiny codec whose encoder and codebooks a file of a decoder alone goes with.

    None for a whole codec. Raises UserError if the embedded codec is another one.
    """
    expected = read_header(path).get("encoder_sha256")
    if expected is None:
        return None
    embedded = ASSETS / "tiny.safetensors"
    found = hashlib.sha256(embedded.read_bytes()).hexdigest()
    check_sha256(embedded, found, expected, f"the encoder that {path.name} was trained with")
    return embedded


def read_header(path: Path) -> dict[str, str]:
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
    return metadata
