"""EnCodec 24 kHz (Défossez et al. 2022, arXiv 2210.13438): facts and official weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.codecs.family import Family, refuse_options
from harness.codecs.weights import fetch_verified, given_weights, verified_sha256
from harness.config import CodecConfig
from harness.data.download import Report
from harness.errors import UserError
from harness.records import CodecFacts

if TYPE_CHECKING:
    from harness.codecs.base import Codec

FILE = "encodec_24khz-d7cc33bc.th"  # the official name carries the sha256's first digits
ADDRESS = f"https://dl.fbaipublicfiles.com/encodec/v0/{FILE}"
DIGITS = "d7cc33bc"
CODEBOOKS = {1.5: 2, 3.0: 4, 6.0: 8, 12.0: 16, 24.0: 32}


class Encodec(Family):
    """The official model at each of its bandwidths (kb/s)."""

    names: ClassVar[tuple[str, ...]] = ("encodec",)
    packages: ClassVar[tuple[str, ...]] = ("torch", "encodec")
    encode_rtf: ClassVar[Mapping[str, float]] = {"encodec": 0.066}

    def weights(self, config: CodecConfig) -> Path:
        """See `Family.weights`; the default is where torch.hub, so the package, keeps them."""
        hint = "run `resynth codec fetch encodec`, or give the official file as codec.weights"
        return given_weights(config, cached(), hint)

    def facts(self, config: CodecConfig) -> CodecFacts:
        """See `Family.facts`; a file under the official name must have the official hash."""
        refuse_options(config, "codebooks")
        path = self.weights(config)
        digest = verified_sha256(config, path, DIGITS if path.name == FILE else None)
        bandwidth = 6.0 if config.bandwidth is None else config.bandwidth
        if bandwidth not in CODEBOOKS:
            raise UserError(
                f"codec 'encodec': no bandwidth {bandwidth} kb/s; choose one of "
                f"{', '.join(map(str, CODEBOOKS))}"
            )
        return CodecFacts.of(
            name="encodec" if bandwidth == 6.0 else f"encodec-{bandwidth:g}kbps",
            sample_rate=24_000,
            frame_rate=75.0,
            sizes=(1024,) * CODEBOOKS[bandwidth],
            dimension=128,
            sha256=digest,
            licence="CC BY-NC 4.0",
            trained_on=("DNS Challenge 4", "Common Voice", "AudioSet", "FSD50K", "Jamendo"),
        )

    def load(self, config: CodecConfig, facts: CodecFacts) -> Codec:
        """See `Family.load`."""
        from harness.codecs.encodec24 import load_encodec

        return load_encodec(facts, self.weights(config))

    def fetch(self, config: CodecConfig, report: Report) -> Path:
        """Download from the official address into the package's cache."""
        return fetch_verified(ADDRESS, cached(), DIGITS, report)


def cached() -> Path:
    """Return where torch.hub keeps EnCodec's official weights."""
    caches = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = os.environ.get("TORCH_HOME", caches / "torch")
    return Path(home).expanduser() / "hub" / "checkpoints" / FILE
