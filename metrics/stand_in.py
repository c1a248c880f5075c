"""An empty torchaudio for packages that import one and use none of it here.

encodec, DistillMOS, SpeechBrain and transformers import it for files and resampling, neither of
which is used here, and its registry wheel wants CUDA libraries.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec


def without_torchaudio() -> None:
    """Import torchaudio, or let an empty module stand in for it from here on."""
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):
        empty = types.ModuleType("torchaudio")
        empty.__spec__ = ModuleSpec("torchaudio", None)  # transformers asks whether it has one
        sys.modules["torchaudio"] = empty


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' own reports and progress bars from the terminal."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
