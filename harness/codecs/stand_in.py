"""An empty torchaudio, where there is none or it cannot load.

encodec and transformers import torchaudio for reading and resampling files alone, neither of which
is used here, and its registry wheel wants CUDA libraries.
"""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec


def without_torchaudio() -> None:
    """Import torchaudio, or let an empty module stand in for it."""
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):
        empty = types.ModuleType("torchaudio")
        empty.__spec__ = ModuleSpec("torchaudio", None)  # transformers asks whether it has one
        sys.modules["torchaudio"] = empty
