"""Pitch-synchronous overlap-add in the time domain.

TD-PSOLA: Moulines and Charpentier, Speech Communication 9(5-6), 1990. Grains of two periods are
re-spaced: closer together is a higher pitch, each repeated or left out a longer or shorter sound.
The spectral envelope, and so the formants, stays. Unlike a vocoder it changes nothing where
nothing is asked for: grains put back where they were add up to the input.
"""

from __future__ import annotations

import numpy as np

from methods.artefacts.base import Floats
from methods.artefacts.pitch import Marks


def psola(samples: Floats, marks: Marks, factors: Floats, length: int) -> Floats:
    """Re-space the grains around `marks` over `length` samples.

    `marks` rise from 0 to T; `factors` multiplies the pitch at each. A closer spacing would be
    louder, so a grain is divided by the root of its factor.
    """
    gaps = np.diff(marks)
    lefts, rights = np.concatenate([[0], gaps]), np.concatenate([gaps, [0]])
    steps = np.concatenate([gaps, gaps[-1:]]) / factors
    made, at, stretch = np.zeros(length), 0.0, length / len(samples)
    while at <= length:
        near = _nearest(marks, at / stretch)
        left, right = int(lefts[near]), int(rights[near])
        centre = int(marks[near])
        grain = samples[centre - left : centre + right] * _window(left, right)
        _add(made, grain / np.sqrt(factors[near]), round(at) - left)
        at += steps[near]
    return made


def _nearest(marks: Marks, at: float) -> int:
    after = min(int(np.searchsorted(marks, at)), len(marks) - 1)
    before = max(0, after - 1)
    return before if at - marks[before] < marks[after] - at else after


def _window(left: int, right: int) -> Floats:
    """Rise over `left` samples and fall over `right`: neighbours' windows add up to 1."""
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(left) / max(1, left))
    fall = 0.5 + 0.5 * np.cos(np.pi * np.arange(right) / max(1, right))
    return np.concatenate([rise, fall])


def _add(made: Floats, grain: Floats, start: int) -> None:
    """Add a grain at `start`, as far as it lies inside."""
    low, high = max(0, start), min(len(made), start + len(grain))
    made[low:high] += grain[low - start : max(low, high) - start]
