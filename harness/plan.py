"""What a plan consists of: trials, evaluations and scorings, each named by its content hash.

`harness.planner` makes it; `harness.state` says what of it is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.config import Config
from harness.records import CodecFacts, DataSize, MethodFacts
from harness.splits import Splits


@dataclass(frozen=True)
class Trial:
    """One training run."""

    id: str
    method: MethodFacts
    size: DataSize
    subset: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Evaluation:
    """One system at one NFE on one split; anchors have no trial."""

    id: str
    method: MethodFacts
    trial: Trial | None
    nfe: int
    sample: int
    split: str

    @property
    def title(self) -> str:
        """Return a short name for progress lines."""
        size = f" {self.trial.size.label} seed {self.trial.seed}" if self.trial else ""
        return f"{system_name(self.method)}{size} nfe {self.nfe} on {self.split}"


@dataclass(frozen=True)
class Scoring:
    """One metric over (a fixed subset of) one evaluation's utterances."""

    id: str
    evaluation: str
    metric: str
    utterances: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Everything a configuration asks for."""

    config: Config
    codec: CodecFacts
    splits: Splits
    latents: str
    references: dict[str, str]
    trials: tuple[Trial, ...]
    evaluations: tuple[Evaluation, ...]
    scorings: tuple[Scoring, ...]


def system_name(method: MethodFacts) -> str:
    """Return a method's name with its variant."""
    return f"{method.name}/{method.variant}" if method.variant else method.name
