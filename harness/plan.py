"""What a plan consists of: trials, evaluations and scorings, each named by its content hash.

`harness.planner` makes it; `harness.state` says what of it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.config import CodecConfig, Config
from harness.latents.spec import Cache, Shard
from harness.records import Checkpoint, CodecFacts, DataSize, MethodFacts
from harness.scoring.items import Spec
from harness.splits import Splits


@dataclass(frozen=True)
class PlannedCodec:
    """One of the compared codecs: how to load it, its facts, and the cache of its latents."""

    config: CodecConfig
    facts: CodecFacts
    cache: Cache


@dataclass(frozen=True)
class Trial:
    """One training run; `teacher` is the trial it starts from, if its method has one."""

    id: str
    codec: PlannedCodec
    method: MethodFacts
    size: DataSize
    subset: tuple[str, ...]
    seed: int
    teacher: Trial | None

    @property
    def teachers(self) -> list[Trial]:
        """Its teacher, that one's teacher, and so on."""
        return [self.teacher, *self.teacher.teachers] if self.teacher else []

    @property
    def title(self) -> str:
        """Return a short name for progress lines."""
        system = f"{system_name(self.method)} on {self.codec.facts.name}"
        return f"{system} {self.size.label} seed {self.seed}"


@dataclass(frozen=True)
class Evaluation:
    """One system at one NFE on one split; anchors have no trial, and so no checkpoint.

    The trial of a method that trains nothing but has a teacher is the teacher's.
    """

    id: str
    codec: PlannedCodec
    method: MethodFacts
    trial: Trial | None
    checkpoint: Checkpoint | None
    nfe: int
    layers: int | None
    sample: int
    split: str

    @property
    def title(self) -> str:
        """Return a short name for progress lines."""
        parts = [f"{system_name(self.method)} on {self.codec.facts.name}"]
        parts += [f"{self.trial.size.label} seed {self.trial.seed}"] if self.trial else []
        parts += ["best"] if self.checkpoint == "best" else []
        parts += [f"layers {self.layers}"] if self.layers is not None else []
        return " ".join((*parts, f"nfe {self.nfe}, {self.split}"))


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
    codecs: tuple[PlannedCodec, ...]
    splits: Splits
    references: dict[str, str]
    trials: tuple[Trial, ...]
    evaluations: tuple[Evaluation, ...]
    scorings: tuple[Scoring, ...]
    metrics: dict[str, Spec]

    @cached_property
    def shards(self) -> dict[str, tuple[PlannedCodec, Shard]]:
        """Every shard of every codec's cache by its id, with its codec."""
        return {shard.id: (codec, shard) for codec in self.codecs for shard in codec.cache.shards}

    def utterances(self, trial: Trial) -> tuple[str, ...]:
        """Return the utterances a trial reads: its training subset and the validation split."""
        return (*trial.subset, *(row.id for row in self.splits.valid))


def system_name(method: MethodFacts) -> str:
    """Return a method's name with its variant."""
    return f"{method.name}/{method.variant}" if method.variant else method.name
