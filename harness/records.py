"""Records: versioned, self-describing JSON, written once and atomically (see `harness.store`).

A record carries everything a page needs (units, directions, versions), so the leaderboard imports
no method and no metric. Score tables are Parquet with the columns of `SCORE_COLUMNS`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

SCHEMA = 2
SCORE_COLUMNS = [
    "utterance",
    "speaker",
    "metric",
    "value",
    "status",
    "reason",
    "errors",
    "words",
    "text",
]
Status = Literal["scored", "not applicable", "missing"]


class Record(BaseModel):
    """Base of all records: strict, frozen, with its schema version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA
    id: str


class Part(BaseModel):
    """Base of the parts of records."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Refit(Part):
    """Codebooks refitted by k-means on a frozen codec's z, and what they lose.

    `mse` and `error_db` (relative to z's variance) are for the first n codebooks, n = 1..N, on
    frames that were not fitted; so are each codebook's `usage` (the share of entries in use)
    and `entropy` in bits.
    """

    base: str
    label: str
    kept: int
    seed: int
    frames: int
    mse: tuple[float, ...]
    error_db: tuple[float, ...]
    usage: tuple[float, ...]
    entropy: tuple[float, ...]


class CodecFacts(Part):
    """A codec as shown on the board. `name` is unique for what it is: weights, N and K.

    `sizes` are the entries K of each codebook; from them follow N (`codebooks`), the largest K
    (`entries`) and `bit_rate` in bits per second. `parallel_codebooks` quantize z itself, beside
    the residual ones.
    """

    name: str
    sample_rate: int
    frame_rate: float
    sizes: tuple[int, ...]
    codebooks: int
    entries: int
    dimension: int
    bit_rate: float
    sha256: str
    licence: str
    parallel_codebooks: int = 0
    trained_on: tuple[str, ...] = ()
    refit: Refit | None = None

    @classmethod
    def of(cls, sizes: Sequence[int], frame_rate: float, **facts: Any) -> CodecFacts:
        """Return facts with all that follows from the codebooks' sizes and the frame rate."""
        bits = sum(math.log2(size) for size in sizes)
        return cls(
            sizes=tuple(sizes),
            codebooks=len(sizes),
            entries=max(sizes),
            frame_rate=frame_rate,
            bit_rate=bits * frame_rate,
            **facts,
        )

    def first(self, count: int) -> CodecFacts:
        """Return the facts of the codec cut to its first `count` codebooks, renamed."""
        kept = self.model_dump(exclude={"sizes", "codebooks", "entries", "frame_rate", "bit_rate"})
        kept["name"] = f"{self.name}-n{count}"
        return CodecFacts.of(self.sizes[:count], self.frame_rate, **kept)


class MethodFacts(Part):
    """A method as shown on the board. `kind` is "anchor" or "method".

    The facts are those of `methods.base.Method`. `places` are the parameters that a method's Params
    excludes, as they say where a file lies and not what is in it: part of no id and no record.
    """

    name: str
    variant: str
    kind: str
    summary: str
    equation: str
    source: str
    target: str
    conditions_on: tuple[str, ...]
    layered: bool
    needs: tuple[str, ...]
    teacher: str | None
    params: dict[str, JsonValue]
    backbone: dict[str, JsonValue]
    places: dict[str, JsonValue] = Field(default={}, exclude=True)

    @property
    def ignores_codec(self) -> bool:
        """Whether it is the same beside every codec: an anchor that sees the reference alone."""
        return self.kind == "anchor" and self.conditions_on == ("reference",)


class DataSize(Part):
    """A training subset; `label` is what the config says ("10%"), hours what it came to."""

    label: str
    hours: float
    utterances: int
    voices: int


class Provenance(Part):
    """Where, when and with what something was computed."""

    git_commit: str
    git_dirty: bool
    versions: dict[str, str]
    hardware: dict[str, JsonValue]
    started: str
    seconds: float


class CurvePoint(Part):
    """One point of a learning curve; `valid` is None between validations."""

    step: int
    seconds: float
    train: float
    valid: float | None


Checkpoint = Literal["last", "best"]


class TrialRecord(Record):
    """One training run. Weights lie beside it, as `last.safetensors` and `best.safetensors`.

    `parameters` are the method's own, `critic_parameters` those trained against it. `flops` are
    one step's, counted once, times `steps`; the teacher's own trial is not in them. `seconds` of
    training hold neither validation nor checkpoints; `stalled_seconds` of them waited for data.
    `best_step` had the lowest validation loss.
    """

    kind: Literal["trial"] = "trial"
    method: MethodFacts
    codec: CodecFacts
    data_size: DataSize
    seed: int
    training: dict[str, JsonValue]
    teacher: str | None
    parameters: int
    critic_parameters: int
    steps: int
    frames: int
    flops: float
    seconds: float
    stalled_seconds: float
    ranks: int
    best_step: int
    curve: tuple[CurvePoint, ...]
    weights_sha256: dict[Checkpoint, str]
    provenance: Provenance


class LatentRecord(Part):
    """How a method's latents and codes compare with the codec's: `metrics.base.LatentMatch`."""

    error: float
    energy: float
    right: int | None
    codes: int | None


class EvaluatedUtterance(Part):
    """One utterance of an evaluation; `audio` is a path below the record's folder.

    Samples beyond full scale are clipped as a loudspeaker would, and counted. `latent` is None
    where the method made audio.
    """

    id: str
    speaker: str
    voice: str
    language: str
    seconds: float
    transcript: str | None
    audio: str
    audio_sha256: str
    reference_sha256: str
    synthesis_seconds: float
    latent: LatentRecord | None = None
    clipped_samples: int = 0


class EvaluationRecord(Record):
    """One system on one split: its audio, its measured cost, and how it came about.

    `trial` is None for anchors, as are `checkpoint`, `data_size` and `seed`. `sample` is the
    sampling seed. `layers` is how many codes a layered method decoded from, None meaning all.
    """

    kind: Literal["evaluation"] = "evaluation"
    trial: str | None
    checkpoint: Checkpoint | None
    method: MethodFacts
    codec: CodecFacts
    data_size: DataSize | None
    nfe: int
    layers: int | None
    seed: int | None
    sample: int
    corpus: str
    split: str
    sample_rate: int
    reference: str
    counted_nfe: float
    flops_per_second: float
    real_time_factor: float
    utterances: tuple[EvaluatedUtterance, ...]
    provenance: Provenance


class ReferenceRecord(Record):
    """The reference audio of one split, as FLAC files in the record's folder."""

    kind: Literal["reference"] = "reference"
    corpus: str
    licence: str
    split: str
    sample_rate: int
    audio: dict[str, str]


class ScoreRecord(Record):
    """One metric over one evaluation; rows lie beside it as `table.parquet`.

    `metric` holds the metric's declared facts; `of` is the number of utterances in the split when
    the metric scores a fixed, hashed subset of it.
    """

    kind: Literal["score"] = "score"
    evaluation: str
    metric: dict[str, JsonValue]
    resampling: str
    scored: int
    not_applicable: int
    missing: int
    of: int
    seconds: float
    versions: dict[str, str]


class Selection(Part):
    """How one NFE per trained method is chosen, on the validation split alone."""

    metric: str
    split: str


class RunRecord(Record):
    """What one configuration asked for last: the site shows exactly these evaluations."""

    kind: Literal["run"] = "run"
    title: str
    config: dict[str, Any]
    evaluations: tuple[str, ...]
    scores: tuple[str, ...]
    selection: Selection | None
