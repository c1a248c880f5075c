"""A training's whole state in a file, written every few minutes, so that a killed one goes on.

Batches and noise are functions of seed and step, so weights, optimisers and step are all there is.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from harness.errors import UserError

State = dict[str, Any]


class Checkpoints:
    """Saves states to one path, at most every `minutes`; without a path, never."""

    def __init__(self, path: Path | None, minutes: float) -> None:
        self.path, self.seconds = path, 60 * minutes
        self.saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return self.path is not None and time.monotonic() - self.saved >= self.seconds

    def save(self, state: State) -> None:
        """Write a state by rename: a reader finds the old or the new one, whole."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        try:
            torch.save(state, temporary)
            temporary.rename(self.path)
        finally:
            temporary.unlink(missing_ok=True)
        self.saved = time.monotonic()

    def load(self) -> State | None:
        """Return the state saved last, if there is one. Raises UserError if it is unreadable."""
        if self.path is None or not self.path.exists():
            return None
        try:
            state: State = torch.load(self.path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, UnpicklingError, OSError) as error:
            raise UserError(
                f"{self.path}: is no training checkpoint ({str(error).splitlines()[0]}); remove "
                "it, and its trial starts anew"
            ) from error
        return state

    def remove(self) -> None:
        """Remove the state: the trial is finished."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
