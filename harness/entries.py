"""One configured method on one codec: its facts, its trials and their evaluations, with their ids.

Used by `harness.planner`; imports neither torch nor ray.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from pydantic import JsonValue, ValidationError

from harness.audio import RESAMPLING_POLICY
from harness.codecs.catalog import codec_identity, installed
from harness.config import Config, MethodConfig, explain
from harness.data.corpus import Utterance
from harness.errors import UserError
from harness.identity import (
    SYNTHESIS_SOURCES,
    TRAINING_SOURCES,
    audio_digest,
    digest,
    source_digest,
)
from harness.plan import Evaluation, PlannedCodec, Trial
from harness.records import SCHEMA, Checkpoint, DataSize, MethodFacts
from harness.splits import Splits, training_subset
from methods import catalog
from methods.declaration import Declaration
from methods.params import MethodError


class Context:
    """What all entries of a configuration share; each hash and subset is made once."""

    def __init__(self, config: Config, splits: Splits, methods: Mapping[str, Declaration]) -> None:
        self.config, self.splits, self.methods = config, splits, methods
        self.audio = {name: audio_digest(rows) for name, rows in splits.evaluate.items()}
        self.subset = cache(self._subset)

    @cached_property
    def valid_audio(self) -> str:
        """Id of the validation audio; each trial's own subset has an id of its own."""
        return audio_digest(self.splits.valid)

    def _subset(self, label: str) -> tuple[list[Utterance], DataSize, str]:
        """Return a data size's utterances, what they come to, and the id of their audio."""
        rows, size = training_subset(self.splits.train, label)
        return rows, size, audio_digest(rows)


@dataclass(frozen=True)
class Axes:
    """How often one network is called, from how many layers it decodes, with which weights."""

    nfe: int
    layers: int | None
    checkpoint: Checkpoint | None
    sample: int


class Entry:
    """A method of the configuration on a codec.

    Raises UserError for an unknown method, wrong parameters, and NFE or layers it does not support.
    """

    def __init__(self, context: Context, config: MethodConfig, codec: PlannedCodec) -> None:
        self.context, self.config, self.codec = context, config, codec
        try:
            self.declaration = catalog.get(config.name, context.methods)
        except MethodError as error:
            raise UserError(f"methods: {error}") from error
        self.facts = self._facts()
        self.sources = source_digest(catalog.sources(self.declaration))
        self.check_layers()

    def _facts(self) -> MethodFacts:
        """Return the method as its records show it."""
        found = self.declaration
        try:
            params = found.params.model_validate(self.config.params)
        except ValidationError as error:
            raise UserError(
                f"method '{found.name}', params: {explain(error, found.params)}"
            ) from error
        shown = {
            name: getattr(found, name)
            for name in MethodFacts.model_fields
            if name != "params" and hasattr(found, name)
        }
        backbone = self.context.config.backbone.model_dump() if found.trains else {}
        return MethodFacts(
            **shown,
            variant=self.config.variant,
            params=params.model_dump(mode="json"),
            backbone=backbone,
            places={
                name: getattr(params, name)
                for name, field in found.params.model_fields.items()
                if field.exclude
            },
        )

    def check_layers(self) -> None:
        """Raise UserError for layers that the method or the codec does not have."""
        count = self.codec.facts.codebooks
        if self.config.layers and not self.declaration.layered:
            raise UserError(
                f"method '{self.config.name}': predicts no layers; remove methods.layers"
            )
        for layers in self.config.layers:
            if not 1 <= layers <= count:
                raise UserError(
                    f"method '{self.config.name}': cannot decode from {layers} layers, codec "
                    f"'{self.codec.facts.name}' has {count}; change methods.layers"
                )

    @property
    def layers(self) -> Sequence[int | None]:
        """From how many codes it is decoded; None means all."""
        return self.config.layers or [None]

    @cached_property
    def teacher(self) -> Entry | None:
        """The entry of the method whose trials this one's start from."""
        name = self.declaration.teacher
        if name is None:
            return None
        params = self.facts.params.get("teacher", {})
        assert isinstance(params, dict)
        try:
            return Entry(self.context, MethodConfig(name=name, params=params), self.codec)
        except UserError as error:
            raise UserError(f"method '{self.config.name}', its teacher: {error}") from error

    def trials(self) -> list[Trial]:
        """Return one trial per data size and seed; a teacher's, if the method trains nothing."""
        teachers = self.teacher.trials() if self.teacher else []
        if not self.declaration.trains:
            return teachers
        config = self.context.config
        runs = [(label, seed) for label in config.data_sizes for seed in config.seeds]
        return [
            self.trial(label, seed, teachers[place] if teachers else None)
            for place, (label, seed) in enumerate(runs)
        ]

    @property
    def trained_params(self) -> dict[str, JsonValue]:
        """The parameters that training reads: those of the sampler share a trial."""
        sampling = self.declaration.sampling
        return {name: value for name, value in self.facts.params.items() if name not in sampling}

    def trial(self, label: str, seed: int, teacher: Trial | None) -> Trial:
        """Return the trial of one data size and seed."""
        context, codec = self.context, self.codec
        rows, size, audio = context.subset(label)
        identity = digest(
            {
                "schema": SCHEMA,
                "torch": installed("torch"),
                "code": [
                    [source_digest(TRAINING_SOURCES), codec_identity(codec.config)],
                    self.sources,
                ],
                "method": [self.facts.name, self.trained_params, self.facts.backbone],
                "teacher": teacher and teacher.id,
                "seed": seed,
                "training": context.config.budget.identity(),
                # Each draws noise of its own for its share of a batch.
                "ranks": context.config.compute.ranks,
                "codec": codec.facts.sha256,
                "N": codec.facts.codebooks,
                "latents": codec.cache.precision,
                "train": audio,
                "valid": context.valid_audio,
            }
        )
        subset = tuple(row.id for row in rows)
        return Trial(identity, codec, self.facts, size, subset, seed, teacher)

    def evaluations(self, trial: Trial | None) -> list[Evaluation]:
        """Return one evaluation per split and point of the axes."""
        splits = [split.split for split in self.context.config.evaluate]
        return [self.evaluation(trial, split, at) for split in splits for at in self.axes(trial)]

    def axes(self, trial: Trial | None) -> Iterator[Axes]:
        """Yield what is evaluated of each trial, or of an anchor."""
        config, count = self.context.config, self.codec.facts.codebooks
        checkpoints: Sequence[Checkpoint | None] = config.checkpoints if trial else [None]
        samples = config.samples if trial else [0]
        for layers in self.layers:
            default = catalog.default_nfe(self.declaration, count, layers)
            for nfe in self.config.nfe or [default]:
                if not catalog.supports(self.declaration, nfe, layers or count):
                    raise UserError(
                        f"method '{self.config.name}': does not support NFE {nfe} (it declares "
                        f"{self.declaration.nfe!r}); change methods.nfe"
                    )
                for checkpoint in checkpoints:
                    for sample in samples:
                        yield Axes(nfe, layers, checkpoint, sample)

    def evaluation(self, trial: Trial | None, split: str, at: Axes) -> Evaluation:
        """Return one evaluation."""
        # The reference alone is the same beside every codec.
        own = None if self.facts.ignores_codec else self.codec
        synthesis = [source_digest(SYNTHESIS_SOURCES), own and codec_identity(own.config)]
        identity = digest(
            {
                "schema": SCHEMA,
                "torch": installed("torch"),
                "code": [synthesis, self.sources],
                "packages": {name: installed(name) for name in self.declaration.packages},
                "method": [self.facts.name, self.facts.params],
                "trial": trial and trial.id,
                "checkpoint": at.checkpoint,
                "nfe": at.nfe,
                "layers": at.layers,
                "sample": at.sample,
                "codec": own and own.facts.sha256,
                "N": own and own.facts.codebooks,
                "audio": self.context.audio[split],
                "rate": self.context.splits.corpus.sample_rate,
                "resampling": RESAMPLING_POLICY,
            }
        )
        return Evaluation(
            identity,
            self.codec,
            self.facts,
            trial,
            at.checkpoint,
            at.nfe,
            at.layers,
            at.sample,
            split,
        )
