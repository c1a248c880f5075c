"""What the parent and a scoring process say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from harness.scoring.items import Item, Row, Spec


@dataclass(frozen=True)
class Task:
    """Items to score by metrics that share a model, or have none."""

    items: tuple[Item, ...]
    specs: tuple[Spec, ...]


@dataclass(frozen=True)
class Begins:
    """The process is about to load a metric, or to score so many items by it."""

    items: int
    loading: bool = False


@dataclass(frozen=True)
class Scored:
    """One metric's rows for all items of the task, and the seconds they took."""

    metric: str
    rows: tuple[Row, ...]
    seconds: float


@dataclass(frozen=True)
class Ended:
    """The task is done."""


@dataclass(frozen=True)
class Unavailable:
    """A metric's packages or weights are absent, or do not load."""

    message: str


Message: TypeAlias = Begins | Scored | Ended | Unavailable
