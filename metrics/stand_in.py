"""An empty torchaudio for packages that import one and use none of it here.

encodec, DistillMOS, SpeechBrain and transformers import it for files and resampling, neither of
which is used here, and its registry wheel wants CUDA libraries.
"""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec


def without_torchaudio() -> None:
    """Import torchaudio, or let an empty module stand in for it from here on."""
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):
        empty = types.ModuleType("torchaudio")
        empty.__spec__ = ModuleSpec("torchaudio", None)  # transformers asks whether it has one
        sys.modules["torchaudio"] = empty
