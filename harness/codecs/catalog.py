"""Which codecs there are, and their facts, without importing torch."""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.config import CodecConfig
from harness.data.corpus import Utterance
from harness.data.embedded import ASSETS
from harness.errors import UserError, nearest
from harness.records import CodecFacts

ENCODEC_FILE = "encodec_24khz-d7cc33bc.th"  # the official name carries the hash's first digits
ENCODEC_CODEBOOKS = {1.5: 2, 3.0: 4, 6.0: 8, 12.0: 16, 24.0: 32}


def weights_path(config: CodecConfig) -> Path:
    """Return where a codec's weights lie. Raises UserError for an unknown codec or absent file."""
    if config.name not in ("tiny", "encodec"):
        raise UserError(
            f"codec '{config.name}' does not exist{nearest(config.name, ('tiny', 'encodec'))}"
        )
    embedded = ASSETS / "tiny.safetensors"
    default = embedded if config.name == "tiny" else encodec_cache()
    path = Path(config.weights).expanduser() if config.weights else default
    if not path.is_file():
        hint = "give an existing file as codec.weights"
        if config.name == "encodec" and not config.weights:
            hint = f"download {ENCODEC_FILE} from its official address, and {hint}"
        raise UserError(f"codec '{config.name}': weights {path} are absent; {hint}")
    return path


def encodec_cache() -> Path:
    """Return where torch.hub keeps EnCodec's official weights."""
    home = os.environ.get("TORCH_HOME", "~/.cache/torch")
    return Path(home).expanduser() / "hub" / "checkpoints" / ENCODEC_FILE


def codec_facts(config: CodecConfig) -> CodecFacts:
    """Return a codec's facts, its weights hashed. Raises UserError if they are not usable."""
    path = weights_path(config)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if config.name == "tiny":
        return tiny_facts(path, digest, config)
    expected = ENCODEC_FILE.split("-")[1].split(".")[0]
    if path.name == ENCODEC_FILE and not digest.startswith(expected):
        raise UserError(
            f"{path}: sha256 starts with {digest[:8]}, the official weights' with "
            f"{expected}; the file is damaged, so download it again"
        )
    bandwidth = 6.0 if config.bandwidth is None else config.bandwidth
    if bandwidth not in ENCODEC_CODEBOOKS:
        raise UserError(
            f"codec 'encodec': no bandwidth {bandwidth} kb/s; choose one of "
            f"{', '.join(map(str, ENCODEC_CODEBOOKS))}"
        )
    count = ENCODEC_CODEBOOKS[bandwidth]
    return CodecFacts(
        name="encodec",
        sample_rate=24_000,
        frame_rate=75.0,
        codebooks=count,
        entries=1024,
        dimension=128,
        bit_rate=count * 10 * 75.0,
        sha256=digest,
        licence="CC BY-NC 4.0",
        trained_on=("DNS Challenge 4", "Common Voice", "AudioSet", "FSD50K", "Jamendo"),
    )


def tiny_facts(path: Path, digest: str, config: CodecConfig) -> CodecFacts:
    """Read the tiny codec's facts from its weights' header, where training wrote them."""
    if config.bandwidth is not None:
        raise UserError("codec 'tiny' has one bit rate; remove codec.bandwidth")
    header = read_header(path)
    shape = json.loads(header["shape"])
    frame_rate = shape["sample_rate"] / shape["hop"]
    bits = shape["codebooks"] * math.log2(shape["entries"]) * frame_rate
    return CodecFacts(
        name="tiny",
        sample_rate=shape["sample_rate"],
        frame_rate=frame_rate,
        codebooks=shape["codebooks"],
        entries=shape["entries"],
        dimension=shape["dimension"],
        bit_rate=bits,
        sha256=digest,
        licence="Apache-2.0",
        trained_on=tuple(json.loads(header["trained_on"])),
    )


def check_test_audio(config: CodecConfig, rows: Iterable[Utterance]) -> None:
    """Raise UserError if the tiny codec was trained on one of these utterances.

    EnCodec's training data is public by name only, so there is nothing to check it against.
    """
    if config.name != "tiny":
        return
    path = weights_path(config)
    trained = set(json.loads(read_header(path)["trained_audio"]))
    for row in rows:
        if row.sha256[:16] in trained:
            raise UserError(
                f"{path}: this codec was trained on test utterance '{row.id}'; choose "
                "another codec or another test split"
            )


def read_header(path: Path) -> dict[str, Any]:
    """Return the metadata of a tiny codec's safetensors file. Raises UserError if it is not one."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            metadata = json.loads(file.read(min(size, 1 << 20)))["__metadata__"]
        if metadata["codec"] != "tiny":
            raise KeyError("codec")
    except (struct.error, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: is not a tiny codec checkpoint; train one with `resynth codec train`"
        ) from error
    return dict(metadata)
