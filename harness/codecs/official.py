"""The one place that imports the official `encodec` package.

encodec 0.1.1 imports torchaudio for file reading and resampling alone, neither of which is used
here. Where torchaudio is absent or cannot load (its registry wheel wants CUDA libraries), an empty
module stands in for it during the import.
"""

from __future__ import annotations

import sys
import types


def _import_without_torchaudio() -> None:
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):
        sys.modules["torchaudio"] = types.ModuleType("torchaudio")


_import_without_torchaudio()

from encodec import EncodecModel  # noqa: E402
from encodec.quantization.core_vq import ResidualVectorQuantization  # noqa: E402

__all__ = ["EncodecModel", "ResidualVectorQuantization"]
