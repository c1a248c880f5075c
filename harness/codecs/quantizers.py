"""Files of refitted codebooks, as `resynth codec requantize` writes them: facts without torch.

A safetensors file: tensors `codebook.0` .. `codebook.N-1` of shape (K, D), float32, and a header
that names the base codec by its hash, the audio the fit saw, and what the fit measured.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Set
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Json, ValidationError

from harness.codecs.family import limit_codebooks
from harness.codecs.weights import check_sha256, safetensors_metadata
from harness.config import CodecConfig
from harness.errors import UserError
from harness.records import CodecFacts, Provenance, Refit


class QuantizerHeader(BaseModel):
    """The metadata of a file of codebooks, all strings in the file.

    `fitted_audio` are (id, first 16 digits of the sha256) of every utterance the fit saw;
    `tensors_sha256` is of all that follows the safetensors header.
    """

    model_config = ConfigDict(frozen=True)

    quantizer: Literal["refit"] = "refit"
    base: str
    base_sha256: str
    sizes: Json[tuple[int, ...]]
    refit: Json[Refit]
    fitted_on: str
    fitted_audio: Json[tuple[tuple[str, str], ...]]
    tensors_sha256: str
    provenance: Json[Provenance]


def requantized_facts(config: CodecConfig, base: CodecFacts) -> CodecFacts:
    """Return the facts of a codec with other codebooks.

    `sha256` is of the base codec's hash and of the codebooks alone: fitting the same ones again
    changes nothing.
    Its name says how many codebooks there are where the base codec has another number. Raises
    UserError if the codebooks were fitted to another codec, or the file is damaged or none of ours.
    """
    path = quantizer_path(config)
    header = read_quantizer(path)
    check_sha256(path, base.sha256, header.base_sha256, f"the codec '{config.name}' it fits is")
    data = path.read_bytes()
    if hashlib.sha256(tensor_bytes(data)).hexdigest() != header.tensors_sha256:
        raise UserError(
            f"{path}: its codebooks are damaged (their sha256 changed); remove it and make it again"
        )
    kept = header.refit.kept
    if kept > base.codebooks:
        raise UserError(
            f"{path}: keeps {kept} codebooks of '{header.base}', and codec '{base.name}' has "
            f"{base.codebooks}; configure the codec with at least {kept}"
        )
    facts = CodecFacts.of(
        header.sizes,
        base.frame_rate,
        name=f"{base.name}+{header.refit.label}",
        sample_rate=base.sample_rate,
        dimension=base.dimension,
        sha256=refit_sha256(base, header),
        licence=base.licence,
        parallel_codebooks=base.parallel_codebooks if kept > 1 else 0,
        trained_on=(*base.trained_on, f"codebooks: {header.fitted_on}"),
        refit=header.refit,
    )
    return name_by_count(limit_codebooks(config, facts), facts.name, base.codebooks)


def refit_sha256(base: CodecFacts, header: QuantizerHeader) -> str:
    """Return a hash of all that a refitted codec's results depend on."""
    parts = [base.sha256, header.tensors_sha256, list(header.sizes), header.refit.kept]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def name_by_count(facts: CodecFacts, name: str, usual: int) -> CodecFacts:
    """Return facts named alike for the same codebooks, whether cut from more or fitted so."""
    suffix = "" if facts.codebooks == usual else f"-n{facts.codebooks}"
    return facts.model_copy(update={"name": f"{name}{suffix}"})


def quantizer_path(config: CodecConfig) -> Path:
    """Return the configured file. Raises UserError if it is absent."""
    path = Path(config.quantizer or "").expanduser()
    if not path.is_file():
        raise UserError(
            f"codec '{config.name}': quantizer {path} is absent; make it with "
            "`resynth codec requantize`"
        )
    return path


def read_quantizer(path: Path) -> QuantizerHeader:
    """Return the header of a file of codebooks. Raises UserError if it is not one."""
    try:
        metadata = safetensors_metadata(path)
        if metadata.get("quantizer") != "refit":
            raise ValueError("names no refitted codebooks in its header")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: holds no refitted codebooks ({error}); make them with `resynth codec "
            "requantize`"
        ) from error
    try:
        return QuantizerHeader.model_validate(metadata)
    except ValidationError as error:
        raise UserError(f"{path}: its header is damaged; remove it and make it again") from error


def tensor_bytes(data: bytes) -> memoryview:
    """Return what follows the header of a safetensors file: 8 bytes of its size, then JSON."""
    (size,) = struct.unpack("<Q", data[:8])
    return memoryview(data)[8 + size :]


def quantizer_audio(config: CodecConfig) -> Set[str]:
    """Return the first 16 digits of the sha256 of the audio the codebooks were fitted to."""
    if config.quantizer is None:
        return frozenset()
    header = read_quantizer(quantizer_path(config))
    return frozenset(digest for _, digest in header.fitted_audio)
