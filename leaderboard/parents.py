"""A hybrid method against the methods it is made of, trained and used alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.metric_keys import MetricKey
from leaderboard.pairwise import Tests, tested_pairs
from leaderboard.systems import System

PARENTS = {"hybrid": ("regression", "bridge")}


@dataclass(frozen=True)
class ParentContrast:
    """A hybrid minus one parent, a test per metric; None where they share no scored utterance."""

    child: System
    parent: System
    tests: Tests


def count_tests(contrasts: Sequence[ParentContrast]) -> int:
    """Return how many tests the contrasts hold."""
    return sum(test is not None for entry in contrasts for test in entry.tests)


def parent_contrasts(
    chosen: Sequence[System], split: str, codec: str, metrics: Sequence[MetricKey]
) -> list[ParentContrast]:
    """Contrast each hybrid with each parent of its codec, data size, seed, sample, checkpoint.

    `chosen` are systems at the NFE to use. p is Holm-corrected over all tests that are returned.
    """
    here = [s for s in chosen if split in s.evaluations and s.codec == codec]
    pairs = [
        (child, parent)
        for child in here
        for name in PARENTS.get(child.any.method.name, ())
        for parent in here
        if parent.any.method.name == name and _use(parent) == _use(child)
    ]
    found = tested_pairs(pairs, split, metrics)
    return [ParentContrast(*pair, tests) for pair, tests in zip(pairs, found, strict=True)]


def has_hybrid(systems: Sequence[System]) -> bool:
    """Whether one of the systems is a hybrid."""
    return any(system.any.method.name in PARENTS for system in systems)


def _use(system: System) -> tuple[object, ...]:
    facts = system.any
    return facts.data_size, facts.seed, facts.sample, facts.checkpoint
