"""Configurations: YAML, each a small diff over the one it `extends`, parsed strictly.

Unknown keys and wrong types are errors that name the key and the nearest valid one.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from harness.errors import UserError, nearest
from methods.params import Backbone

CONFIGS = Path(__file__).resolve().parent.parent / "configs"


class Strict(BaseModel):
    """Base of every section: unknown keys refused, no coercion of types, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NominalCodec(Strict):
    """A codec's geometry, in Hz and entries K of each codebook."""

    sample_rate: int = Field(ge=1)
    frame_rate: float = Field(gt=0)
    sizes: list[Annotated[int, Field(ge=2)]] = Field(min_length=1)
    dimension: int = Field(ge=1)


class NominalCorpus(Strict):
    """Hours that `resynth plan` sizes a run by where its audio or weights are not at hand.

    `evaluate` gives the hours that are evaluated of each split; `codec` is every codec's geometry.
    """

    hours: float = Field(gt=0)
    sample_rate: int = Field(ge=1)
    evaluate: dict[str, Annotated[float, Field(gt=0)]]
    codec: NominalCodec


class CorpusConfig(Strict):
    """Which audio trains, validates and tests. `root` is for every kind but `embedded`.

    Where `valid` is empty, `held_out_voices` voices of the training splits, chosen by hash, make
    the validation split. `leave_out_voice` keeps one voice out of training and validation.
    `nominal` changes no result.
    """

    kind: str = "embedded"
    root: str | None = None
    options: dict[str, JsonValue] = {}
    train: list[str] = ["train"]
    valid: list[str] = ["valid"]
    held_out_voices: int = Field(default=0, ge=0)
    leave_out_voice: str | None = None
    nominal: NominalCorpus | None = None


class CodecConfig(Strict):
    """A codec by name; `weights` is a path, or null for the codec's own place.

    `sha256` is the hash the weights must have. `bandwidth` (kb/s) is EnCodec's; other codecs are
    cut to their first `codebooks`. `quantizer` is a file of codebooks refitted by
    `resynth codec requantize`, which take the place of the codec's own. `label` is what the board
    calls it, where two would else have one name.
    """

    name: str = "tiny"
    label: str | None = Field(default=None, pattern=r"^[\w.+-]{1,40}$")
    weights: str | None = None
    sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{8,64}$")
    bandwidth: float | None = None
    codebooks: int | None = Field(default=None, ge=1)
    quantizer: str | None = None


class LatentsConfig(Strict):
    """The cache of training latents: how z is kept, in shards of how much audio.

    `keep: codes` stores no z and computes it anew whenever it is read. `remote` is the URL of a
    folder (any that fsspec opens) that shards are staged from before and copied to after.
    """

    precision: Literal["float32", "float16", "bfloat16"] = "float16"
    keep: Literal["latents", "codes"] = "latents"
    shard_minutes: float = Field(default=30.0, gt=0)
    remote: str | None = None


class TrainingConfig(Strict):
    """One budget for every trained method: `steps`, or as many steps as `flops` pay for.

    A batch is `batch_size` crops of `segment_seconds`, and as many frames where utterances are
    shorter. `accumulate` splits it into so many passes. The learning rate warms up, then follows a
    cosine to 5 % of its peak. `ema` is the decay of the averaged weights that are kept (0: the
    weights themselves). Every `validate_every` steps `validate_batches` fixed batches are
    evaluated. What `checkpoint_minutes` and `prefetch` (batches drawn ahead) say changes no result.
    """

    steps: int | None = Field(default=None, ge=1)
    flops: float | None = Field(default=None, gt=0)
    batch_size: int = Field(default=8, ge=1)
    segment_seconds: float = Field(default=2.0, gt=0)
    accumulate: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=100, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.0, ge=0, lt=1)
    validate_every: int = Field(default=100, ge=1)
    validate_batches: int = Field(default=4, ge=1)
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False
    checkpoint_minutes: float = Field(default=10.0, ge=0)
    prefetch: int = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.steps is None) == (self.flops is None):
            raise PydanticCustomError(
                "budget", "give either training.steps or training.flops, and make the other null"
            )
        return self

    def identity(self) -> dict[str, Any]:
        """Return all that shapes a trained method."""
        return self.model_dump(exclude={"checkpoint_minutes", "prefetch"})


class MethodConfig(Strict):
    """A method, with parameters that differ from its defaults and the NFE values to evaluate.

    `layers` are for methods that predict codes layer by layer: each is evaluated from its first
    k codes, x1 included, for every k listed; none means from all N.
    """

    name: str
    variant: str = ""
    params: dict[str, JsonValue] = {}
    nfe: list[int] = []
    layers: list[int] = []


class MetricConfig(Strict):
    """A metric with parameters that differ from its defaults.

    `variant` sets it apart from the same metric with others; it is part of the name that splits
    and the selection use ("wer" with variant "base.en" is "wer_base_en"). `utterances` limits a
    slow metric to a fixed, hashed subset of each split.
    """

    name: str
    variant: str = ""
    params: dict[str, JsonValue] = {}
    utterances: int | None = Field(default=None, ge=12)


class SplitConfig(Strict):
    """A split to evaluate on; `metrics` empty means all of them."""

    split: str
    utterances: int | None = Field(default=None, ge=1)
    metrics: list[str] = []


class SelectionConfig(Strict):
    """The metric and split (validation only) that choose one NFE per trained method."""

    metric: str = "estoi"
    split: str = "valid"


class ComputeConfig(Strict):
    """Ray actors and what each one gets.

    A worker scores with a process per CPU; `score_seconds` is the longest that one metric may take
    for one utterance. `ranks` processes share each training batch, with one of the worker's GPUs
    each (or, on a CPU-only worker, its cores). `flops_per_second` is what one worker is taken to
    sustain in training where nothing was measured yet: `resynth plan` forecasts hours with it.
    """

    workers: int = Field(default=2, ge=1)
    cpus_per_worker: int = Field(default=1, ge=1)
    gpus_per_worker: float = Field(default=0.0, ge=0)
    ranks: int = Field(default=1, ge=1)
    score_seconds: float = Field(default=300.0, gt=0)
    flops_per_second: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _a_gpu_a_rank(self) -> Self:
        if self.ranks > 1 and self.gpus_per_worker not in (0, self.ranks):
            raise PydanticCustomError("ranks", "gpus_per_worker must be 0 or as many as ranks")
        return self


def not_empty(codec: CodecConfig | list[CodecConfig]) -> CodecConfig | list[CodecConfig]:
    """Refuse an empty list; a minimal length would be said beside the union's other fault."""
    if codec == []:
        raise PydanticCustomError("too_short", "list should hold at least one codec")
    return codec


class Config(Strict):
    """One benchmark run: method x data size x seed x checkpoint x layers x NFE x split x metric.

    `checkpoints` says which weights of a trial are evaluated: the last, or the best on validation.
    """

    name: str
    title: str
    store: str
    site: str
    corpus: CorpusConfig = CorpusConfig()
    codec: Annotated[CodecConfig | list[CodecConfig], AfterValidator(not_empty)] = CodecConfig()
    latents: LatentsConfig = LatentsConfig()
    backbone: Backbone = Backbone()
    training: TrainingConfig | None = None
    checkpoints: list[Literal["last", "best"]] = Field(default=["last"], min_length=1)
    data_sizes: list[str] = ["100%"]
    seeds: list[int] = [0]
    samples: list[int] = [0]
    methods: list[MethodConfig]
    evaluate: list[SplitConfig]
    metrics: list[MetricConfig]
    selection: SelectionConfig | None = None
    compute: ComputeConfig = ComputeConfig()

    @model_validator(mode="after")
    def _batches_divide(self) -> Self:
        parts = self.compute.ranks * (self.training.accumulate if self.training else 1)
        if self.training and self.training.batch_size % parts:
            raise PydanticCustomError(
                "batch_size", "training.batch_size must be a multiple of accumulate times ranks"
            )
        return self

    @property
    def codecs(self) -> tuple[CodecConfig, ...]:
        """The codecs compared: `codec` is one or a list of them."""
        return (self.codec,) if isinstance(self.codec, CodecConfig) else tuple(self.codec)

    @property
    def budget(self) -> TrainingConfig:
        """How methods are trained. Raises UserError if the configuration does not say."""
        if self.training is None:
            raise UserError(
                "key 'training' is missing, but a method is to be trained; give training.steps or "
                "training.flops"
            )
        return self.training


def load_config(path: Path) -> Config:
    """Read a configuration and all it extends. Raises UserError for anything unexpected."""
    data = read_layers(path)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error)}") from error


def read_layers(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read one YAML file and merge it over the file it extends."""
    path = path.resolve()
    if path in seen:
        raise UserError(f"{path}: extends itself through {seen[-1].name}; break the circle")
    data = read_yaml(path)
    parent = data.pop("extends", None)
    if parent is None:
        return data
    if not isinstance(parent, str):
        raise UserError(f"{path}: 'extends' must be the name of a file, not {parent!r}")
    return merge(read_layers(path.parent / parent, (*seen, path)), data)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); give an existing file"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: must hold a mapping of keys to values")
    return data


def _loader() -> type[yaml.SafeLoader]:
    """Return the safe loader, in C where the package has it: twelve times faster."""
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return loader


def merge(base: dict[str, Any], diff: dict[str, Any]) -> dict[str, Any]:
    """Merge mappings key by key; anything else, lists included, is replaced."""
    merged = dict(base)
    for key, value in diff.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = merge(old, value) if both and old is not None else value
    return merged


def explain(error: ValidationError, model: type[BaseModel] = Config) -> str:
    """Turn the first fault of a validation into one sentence that names the key."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        valid = keys_at(model, first["loc"][:-1])
        return f"unknown key '{place}'{nearest(str(first['loc'][-1]), valid)}"
    if first["type"] == "missing":
        return f"key '{place}' is missing; add it"
    message = first["msg"].removeprefix("Value error, ")
    message = f"{message[0].lower()}{message[1:]}"
    if isinstance(first["input"], dict):  # values that do not go together: the message names them
        return f"key '{place}': {message}" if place else message
    return f"key '{place}': {message}, not {first['input']!r}"


def keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the valid keys of the section at `location`."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if get_origin(annotation) in (Union, types.UnionType, list):
        for inner in get_args(annotation):
            yield from _models(inner)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
