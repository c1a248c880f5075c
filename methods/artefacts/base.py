"""What an artefact is: a pure function of one utterance and a level, with its declared facts.

Samples are mono, (T,), float64 inside an artefact, at `rate` Hz. Every artefact keeps the length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.params import MethodError

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]
MIN_SECONDS = 0.1


@dataclass(frozen=True)
class Word:
    """A word and where it is heard, in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """One utterance: its samples (T,), rate in Hz, its own noise, and its words where known."""

    samples: Floats
    rate: int
    random: np.random.Generator
    words: tuple[Word, ...] | None = None


@dataclass(frozen=True)
class Artefact:
    """One artefact: its function, the level's unit and range, and the level that changes nothing.

    `identity` is None where no finite level is the identity. `whole` levels are odd whole numbers.
    """

    apply: Callable[[Speech, float], Floats]
    unit: str
    lowest: float
    highest: float
    identity: float | None = None
    whole: bool = False
    needs_words: bool = False

    def check(self, name: str, level: float) -> None:
        """Raise MethodError for a level that has no meaning."""
        if not self.lowest <= level <= self.highest:
            raise MethodError(
                f"artefact '{name}': level {level:g} lies outside {self.lowest:g} to "
                f"{self.highest:g} {self.unit}"
            )
        if self.whole and level % 2 != 1:
            raise MethodError(f"artefact '{name}': level {level:g} is not an odd whole number")


def power(samples: Floats) -> float:
    """Return the mean square of (T,)."""
    return float(np.mean(samples**2))


def as_strong(samples: Floats, reference: Floats) -> Floats:
    """Scale (T,) to the power of `reference`. Raises MethodError if nothing is left to scale."""
    own = power(samples)
    if own == 0:
        raise MethodError("the artefact leaves nothing but silence; choose a milder level")
    scaled: Floats = samples * np.sqrt(power(reference) / own)
    return scaled
