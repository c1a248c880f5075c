"""Make the plan of a configuration: all trials, evaluations and scores with their content hashes.

Pure: reads manifests, sources and weights' hashes; imports neither torch nor ray, writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from itertools import chain

from pydantic import ValidationError

from harness.audio import RESAMPLING_POLICY
from harness.codecs.catalog import check_test_audio, codec_facts, codec_identity, installed
from harness.config import CodecConfig, Config, MethodConfig, SplitConfig, explain
from harness.errors import UserError, nearest
from harness.identity import (
    LATENT_SOURCES,
    SYNTHESIS_SOURCES,
    TRAINING_SOURCES,
    audio_digest,
    digest,
    source_digest,
)
from harness.latents.spec import plan_cache
from harness.plan import Evaluation, Plan, PlannedCodec, Scoring, Trial
from harness.records import SCHEMA, MethodFacts
from harness.splits import first_by_hash, resolve_splits, training_subset
from methods import catalog
from methods.declaration import Declaration
from methods.params import MethodError
from metrics import registry
from metrics.base import Metric, MetricError


def make_plan(config: Config) -> Plan:
    """Plan a configuration. Raises UserError for anything it asks that cannot be."""
    return Planner(config).plan()


class Planner:
    """Derives a plan; one instance per configuration, so shared hashes are computed once."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.splits = resolve_splits(config)
        self.codecs = [self.plan_codec(codec) for codec in config.codecs]
        check_codec_names(self.codecs)
        try:
            self.methods = catalog.discover()
            self.metrics = registry.discover()
        except (MethodError, MetricError) as error:
            raise UserError(str(error)) from error
        self.audio = {name: audio_digest(rows) for name, rows in self.splits.evaluate.items()}

    def plan_codec(self, config: CodecConfig) -> PlannedCodec:
        """Return a codec with its latent cache; it must not have been trained on test audio."""
        tested = [rows for name, rows in self.splits.evaluate.items() if name != "valid"]
        check_test_audio(config, chain.from_iterable(tested))
        facts, kept = codec_facts(config), self.config.latents
        cache = plan_cache(
            f"{facts.sha256} {facts.codebooks}",
            digest([source_digest(LATENT_SOURCES), codec_identity(config), RESAMPLING_POLICY]),
            self.splits.train + self.splits.valid,
            kept.precision,
            kept.keep,
            kept.shard_minutes,
        )
        return PlannedCodec(config, facts, cache)

    @cached_property
    def valid_audio(self) -> str:
        """Id of the validation audio; each trial's own subset has an id of its own."""
        return audio_digest(self.splits.valid)

    def plan(self) -> Plan:
        """Return the plan."""
        self.check_selection()
        trials, evaluations = [], []
        for codec, entry in [(c, e) for c in self.codecs for e in self.config.methods]:
            declaration = self.declaration(entry, codec)
            if codec is not self.codecs[0] and self.facts(entry, declaration).ignores_codec:
                continue
            own = self.trials(entry, declaration, codec) if declaration.trains else [None]
            trials += [trial for trial in own if trial is not None]
            for trial in own:
                evaluations += self.evaluations(entry, declaration, codec, trial)
        self.check_unique(evaluations)
        return Plan(
            self.config,
            tuple(self.codecs),
            self.splits,
            self.references(),
            tuple(trials),
            tuple(evaluations),
            tuple(self.scorings(evaluations)),
        )

    def declaration(self, entry: MethodConfig, codec: PlannedCodec) -> Declaration:
        """Return a method's declaration, with its NFE values and parameters checked."""
        try:
            found = catalog.get(entry.name, self.methods)
        except MethodError as error:
            raise UserError(f"methods: {error}") from error
        for nfe in entry.nfe:
            if not catalog.supports(found, nfe, codec.facts.codebooks):
                raise UserError(
                    f"method '{entry.name}': does not support NFE {nfe} (it declares "
                    f"{found.nfe!r}); change methods.nfe"
                )
        return found

    def facts(self, entry: MethodConfig, declaration: Declaration) -> MethodFacts:
        """Return a method as its records show it. Raises UserError for wrong parameters."""
        try:
            params = declaration.params.model_validate(entry.params)
        except ValidationError as error:
            raise UserError(
                f"method '{entry.name}', params: {explain(error, declaration.params)}"
            ) from error
        backbone = self.config.backbone.model_dump() if declaration.trains else {}
        return MethodFacts(
            name=declaration.name,
            variant=entry.variant,
            kind=declaration.kind,
            summary=declaration.summary,
            equation=declaration.equation,
            source=declaration.source,
            target=declaration.target,
            conditions_on=declaration.conditions_on,
            params=params.model_dump(mode="json"),
            backbone=backbone,
        )

    def trials(
        self, entry: MethodConfig, declaration: Declaration, codec: PlannedCodec
    ) -> list[Trial]:
        """Return one trial per data size and seed."""
        method, sources = (
            self.facts(entry, declaration),
            source_digest(catalog.sources(declaration)),
        )
        training = [source_digest(TRAINING_SOURCES), codec_identity(codec.config)]
        found = []
        for label in self.config.data_sizes:
            rows, size = training_subset(self.splits.train, label)
            for seed in self.config.seeds:
                identity = digest(
                    {
                        "schema": SCHEMA,
                        "torch": version("torch"),
                        "code": [training, sources],
                        "method": [method.name, method.params, method.backbone],
                        "seed": seed,
                        "training": self.config.training.model_dump(),
                        "codec": codec.facts.sha256,
                        "N": codec.facts.codebooks,
                        "latents": codec.cache.precision,
                        "train": audio_digest(rows),
                        "valid": self.valid_audio,
                    }
                )
                subset = tuple(row.id for row in rows)
                found.append(Trial(identity, codec, method, size, subset, seed))
        return found

    def evaluations(
        self,
        entry: MethodConfig,
        declaration: Declaration,
        codec: PlannedCodec,
        trial: Trial | None,
    ) -> list[Evaluation]:
        """Return one evaluation per split, NFE and sampling seed."""
        method = trial.method if trial else self.facts(entry, declaration)
        sources = source_digest(catalog.sources(declaration))
        # The reference alone is the same beside every codec.
        own = None if method.ignores_codec else codec
        synthesis = [source_digest(SYNTHESIS_SOURCES), own and codec_identity(own.config)]
        values = entry.nfe or [catalog.default_nfe(declaration, codec.facts.codebooks)]
        samples = self.config.samples if trial else [0]
        found = []
        for split, nfe, sample in [
            (s.split, n, p) for s in self.config.evaluate for n in values for p in samples
        ]:
            identity = digest(
                {
                    "schema": SCHEMA,
                    "torch": version("torch"),
                    "code": [synthesis, sources],
                    "packages": {name: installed(name) for name in declaration.packages},
                    "trial": trial.id if trial else [method.name, method.params],
                    "nfe": nfe,
                    "sample": sample,
                    "codec": own and own.facts.sha256,
                    "N": own and own.facts.codebooks,
                    "audio": self.audio[split],
                    "rate": self.splits.corpus.sample_rate,
                    "resampling": RESAMPLING_POLICY,
                }
            )
            found.append(Evaluation(identity, codec, method, trial, nfe, sample, split))
        return found

    def scorings(self, evaluations: list[Evaluation]) -> list[Scoring]:
        """Return one scoring per evaluation and metric of its split."""
        splits = {split.split: split for split in self.config.evaluate}
        return [
            self.scoring(evaluation, name, count)
            for evaluation in evaluations
            for name, count in self.metrics_of(splits[evaluation.split])
        ]

    def scoring(self, evaluation: Evaluation, name: str, count: int | None) -> Scoring:
        """Return the scoring of one evaluation by one metric."""
        rows = first_by_hash(self.splits.evaluate[evaluation.split], count)
        facts = self.metric(name).facts
        identity = digest(
            {
                "schema": SCHEMA,
                "evaluation": evaluation.id,
                "metric": [name, facts.version],
                "resampling": RESAMPLING_POLICY,
                "audio": audio_digest(rows),
            }
        )
        return Scoring(identity, evaluation.id, name, tuple(row.id for row in rows))

    def metrics_of(self, split: SplitConfig) -> list[tuple[str, int | None]]:
        """Return the metrics of a split with their subset sizes."""
        configured = {metric.name: metric.utterances for metric in self.config.metrics}
        for name in configured:
            self.metric(name)
        for name in split.metrics:
            if name not in configured:
                raise UserError(
                    f"evaluate, split '{split.split}': metric '{name}' is not among "
                    f"`metrics`{nearest(name, configured)}"
                )
        return [(name, configured[name]) for name in split.metrics or configured]

    def metric(self, name: str) -> type[Metric]:
        """Return a metric's class. Raises UserError if there is none of that name."""
        if name not in self.metrics:
            raise UserError(f"metric '{name}' does not exist{nearest(name, self.metrics)}")
        return self.metrics[name]

    def references(self) -> dict[str, str]:
        """Return the id of each split's reference audio."""
        rate = self.splits.corpus.sample_rate
        return {split: digest([audio, rate]) for split, audio in self.audio.items()}

    def check_selection(self) -> None:
        """Raise UserError unless selection uses the validation split and a metric scored there."""
        chosen = self.config.selection
        if chosen is None:
            return
        if chosen.split != "valid":
            raise UserError("selection.split must be 'valid': choosing on a test split would leak")
        splits = {split.split: split for split in self.config.evaluate}
        if "valid" not in splits:
            raise UserError("selection needs the split 'valid' in `evaluate`; add it")
        if chosen.metric not in dict(self.metrics_of(splits["valid"])):
            raise UserError(
                f"selection.metric '{chosen.metric}' is not scored on 'valid'; add it there"
            )

    def check_unique(self, evaluations: list[Evaluation]) -> None:
        """Raise UserError if two entries of the configuration are the same evaluation."""
        seen: dict[str, Evaluation] = {}
        for evaluation in evaluations:
            if evaluation.id in seen:
                raise UserError(
                    f"the configuration asks twice for '{evaluation.title}'; remove one"
                )
            seen[evaluation.id] = evaluation


def check_codec_names(codecs: Sequence[PlannedCodec]) -> None:
    """Raise UserError if two of the compared codecs would look alike on the board."""
    seen: dict[str, str] = {}
    for codec in codecs:
        name = codec.facts.name
        if name in seen:
            same = "the same" if seen[name] == codec.facts.sha256 else "other weights"
            raise UserError(
                f"codec: '{name}' is listed twice ({same}); remove one, or give it a codec.label"
            )
        seen[name] = codec.facts.sha256
