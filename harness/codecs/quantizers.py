"""Files of refitted codebooks, as `resynth codec requantize` writes them: facts without torch.

A safetensors file: tensors `codebook.0` .. `codebook.N-1` of shape (K, D), float32, and a header
that names the base codec by its hash, the audio the fit saw, and what the fit measured.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set
from pathlib import Path

from pydantic import ValidationError

from harness.codecs.family import limit_codebooks
from harness.codecs.weights import check_sha256, safetensors_metadata
from harness.config import CodecConfig
from harness.errors import UserError
from harness.records import CodecFacts, Refit


def requantized_facts(config: CodecConfig, base: CodecFacts) -> CodecFacts:
    """Return the facts of a codec with other codebooks. `sha256` is of both files' hashes.

    Raises UserError if the codebooks were fitted to another codec, or the file is none of ours.
    """
    path = quantizer_path(config)
    header = read_quantizer(path)
    check_sha256(path, base.sha256, header["base_sha256"], f"the codec '{config.name}' it fits is")
    try:
        refit = Refit.model_validate_json(header["refit"])
        sizes = [int(size) for size in json.loads(header["sizes"])]
    except (ValidationError, ValueError, TypeError) as error:
        raise UserError(f"{path}: its header is damaged; make it again") from error
    own = hashlib.sha256(path.read_bytes()).hexdigest()
    facts = CodecFacts.of(
        sizes,
        base.frame_rate,
        name=f"{base.name}+{refit.label}",
        sample_rate=base.sample_rate,
        dimension=base.dimension,
        sha256=hashlib.sha256(f"{base.sha256}{own}".encode()).hexdigest(),
        licence=base.licence,
        trained_on=(*base.trained_on, f"codebooks: {header['fitted_on']}"),
        refit=refit,
    )
    return limit_codebooks(config, facts)


def quantizer_path(config: CodecConfig) -> Path:
    """Return the configured file. Raises UserError if it is absent."""
    path = Path(config.quantizer or "").expanduser()
    if not path.is_file():
        raise UserError(
            f"codec '{config.name}': quantizer {path} is absent; make it with "
            "`resynth codec requantize`"
        )
    return path


def read_quantizer(path: Path) -> dict[str, str]:
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
    return metadata


def quantizer_audio(config: CodecConfig) -> Set[str]:
    """Return the first 16 digits of the sha256 of the audio the codebooks were fitted to."""
    if config.quantizer is None:
        return frozenset()
    files = json.loads(read_quantizer(quantizer_path(config))["fitted_audio"])
    return frozenset(digest for _, digest in files)
