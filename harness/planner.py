"""Make the plan of a configuration: all trials, evaluations and scores with their content hashes.

Pure: reads manifests, sources and weights' hashes; imports neither torch nor ray, writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from harness.audio import RESAMPLING_POLICY
from harness.codecs.catalog import check_test_audio, codec_facts, codec_identity
from harness.config import CodecConfig, Config, MetricConfig, SplitConfig
from harness.entries import Context, Entry
from harness.errors import UserError, nearest
from harness.identity import LATENT_SOURCES, audio_digest, digest, source_digest
from harness.latents.spec import plan_cache
from harness.plan import Evaluation, Plan, PlannedCodec, Scoring, Trial
from harness.records import SCHEMA
from harness.scoring.items import Spec
from harness.splits import first_by_hash, resolve_splits
from methods import catalog
from methods.params import MethodError
from metrics.base import Facts


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
        except MethodError as error:
            raise UserError(str(error)) from error
        self.metrics = plan_metrics(config.metrics)
        self.context = Context(config, self.splits, self.methods)

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

    def plan(self) -> Plan:
        """Return the plan."""
        self.check_selection()
        trials: dict[str, Trial] = {}
        evaluations: list[Evaluation] = []
        for entry in self.entries():
            own = entry.trials()
            # A teacher's trial may be listed too: then it is shown as the configuration names it.
            listed = entry.declaration.trains
            trials |= {trial.id: trial for trial in own if listed or trial.id not in trials}
            untrained: list[Trial | None] = [None]
            for trial in own or untrained:
                evaluations += entry.evaluations(trial)
        for trial in [teacher for t in list(trials.values()) for teacher in t.teachers]:
            trials.setdefault(trial.id, trial)
        self.check_unique(evaluations)
        return Plan(
            self.config,
            tuple(self.codecs),
            self.splits,
            self.references(),
            tuple(trials.values()),
            tuple(evaluations),
            tuple(self.scorings(evaluations)),
            {name: planned.spec for name, planned in self.metrics.items()},
        )

    def entries(self) -> Iterator[Entry]:
        """Yield every method on every codec; those that no codec shapes once."""
        for codec in self.codecs:
            for config in self.config.methods:
                entry = Entry(self.context, config, codec)
                if codec is self.codecs[0] or not entry.facts.ignores_codec:
                    yield entry

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
        planned = self.metrics[name]
        identity = digest(
            {
                "schema": SCHEMA,
                "evaluation": evaluation.id,
                "metric": [name, planned.facts.version, planned.spec.params],
                "resampling": RESAMPLING_POLICY,
                "audio": audio_digest(rows),
                "told": [[row.speaker, row.language] for row in rows],
            }
        )
        return Scoring(identity, evaluation.id, name, tuple(row.id for row in rows))

    def metrics_of(self, split: SplitConfig) -> list[tuple[str, int | None]]:
        """Return the metrics of a split with their subset sizes."""
        configured = {name: planned.utterances for name, planned in self.metrics.items()}
        for name in split.metrics:
            if name not in configured:
                raise UserError(
                    f"evaluate, split '{split.split}': metric '{name}' is not among "
                    f"`metrics`{nearest(name, configured)}"
                )
        return [(name, configured[name]) for name in split.metrics or configured]

    def references(self) -> dict[str, str]:
        """Return the id of each split's reference audio."""
        rate = self.splits.corpus.sample_rate
        return {split: digest([audio, rate]) for split, audio in self.context.audio.items()}

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


@dataclass(frozen=True)
class PlannedMetric:
    """A metric of the configuration: how to build it, its facts, and its subset's size."""

    spec: Spec
    facts: Facts
    utterances: int | None


def plan_metrics(configured: Sequence[MetricConfig]) -> dict[str, PlannedMetric]:
    """Return the metrics by their full names.

    Raises UserError for an unknown one, a wrong parameter, and two of one name.
    """
    found: dict[str, PlannedMetric] = {}
    for metric in configured:
        spec = Spec(metric.name, metric.params, metric.variant)
        facts = spec.build().facts
        if facts.name in found:
            raise UserError(
                f"metric '{facts.name}' is listed twice; remove one, or give it a `variant`"
            )
        found[facts.name] = PlannedMetric(spec, facts, metric.utterances)
    return found


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
