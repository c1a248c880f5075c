"""The latent cache: training and validation audio encoded once, in shards shared by all runs.

spec and predict plan it, write makes a shard, read and repair use it, remote stages it. Names that
need torch load it when they are first asked for, so that `resynth plan` does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.latents.files import Progress, file_sha256

if TYPE_CHECKING:
    from harness.latents.encode import encode_utterance
    from harness.latents.read import Latents

__all__ = ["Latents", "Progress", "encode_utterance", "file_sha256"]

NEED_TORCH = {"Latents": "read", "encode_utterance": "encode"}


def __getattr__(name: str) -> Any:
    if name not in NEED_TORCH:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{NEED_TORCH[name]}"), name)
