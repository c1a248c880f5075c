"""A plan of nominal hours, where the audio or the weights are not at hand: for its costs alone.

It is made by the planner itself from rows that stand for so many hours, so every count is that of
the real plan. Its ids are those of nothing, and are never shown or run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.codecs.catalog import family_of
from harness.config import CodecConfig, Config, CorpusConfig, NominalCorpus
from harness.data.corpus import Corpus, Utterance
from harness.entries import Context
from harness.errors import UserError
from harness.latents.spec import plan_cache
from harness.plan import Plan, PlannedCodec
from harness.planner import Planner, check_codec_names, plan_metrics
from harness.records import CodecFacts
from harness.splits import Splits
from methods import catalog
from methods.params import MethodError

HOUR = 3600.0
ROWS = 6000  # that stand for the training audio: 10 h each of 60 000 h


def absent(config: Config) -> list[str]:
    """Return a phrase for each root and each codec's weights that are not on this machine.

    Raises UserError for an unknown codec.
    """
    found = [f"audio in {root}" for root in corpus_roots(config.corpus) if not root.exists()]
    for codec in config.codecs:
        try:
            family_of(codec).weights(codec)
        except UserError:
            found.append(f"weights of {codec.name}")
    return found


def corpus_roots(corpus: CorpusConfig) -> list[Path]:
    """Return the folders that the corpus and its parts are read from."""
    above = Path(corpus.root) if corpus.root is not None else None
    parts = corpus.options.get("parts")
    if corpus.kind != "joined" or not isinstance(parts, list):
        return [above] if above else []
    roots = [part["root"] for part in parts if isinstance(part, dict) and "root" in part]
    return [(above or Path()) / root for root in roots if isinstance(root, str)]


def nominal_plan(config: Config, nominal: NominalCorpus) -> Plan:
    """Plan a configuration on nominal hours. Raises UserError as `make_plan` does."""
    return NominalPlanner(config, nominal).plan()


class NominalPlanner(Planner):
    """The planner, with rows and codec facts that the configuration states."""

    def __init__(self, config: Config, nominal: NominalCorpus) -> None:
        self.config, self.nominal = config, nominal
        self.splits = self.nominal_splits()
        self.codecs = [self.plan_codec(codec) for codec in config.codecs]
        check_codec_names(self.codecs)
        try:
            self.methods = catalog.discover()
        except MethodError as error:
            raise UserError(str(error)) from error
        self.metrics = plan_metrics(config.metrics)
        self.context = Context(config, self.splits, self.methods)

    def nominal_splits(self) -> Splits:
        """Return equal rows for training, and one row for each split."""
        evaluate = {}
        for split in self.config.evaluate:
            if split.split not in self.nominal.evaluate:
                raise UserError(
                    f"corpus.nominal.evaluate: gives no hours of split '{split.split}'; add them"
                )
            evaluate[split.split] = rows(split.split, [self.nominal.evaluate[split.split]])
        train = rows("train", [self.nominal.hours / ROWS] * ROWS)
        return Splits(NothingRead(self.nominal.sample_rate), train, [], evaluate)

    def plan_codec(self, config: CodecConfig) -> PlannedCodec:
        """Return a codec of the nominal geometry, with an empty cache."""
        codec, kept = self.nominal.codec, self.config.latents
        facts = CodecFacts.of(
            codec.sizes,
            codec.frame_rate,
            name=config.label or config.name,
            sample_rate=codec.sample_rate,
            dimension=codec.dimension,
            sha256="absent",
            licence="not read",
        )
        cache = plan_cache("absent", "", [], kept.precision, kept.keep, kept.shard_minutes)
        return PlannedCodec(config, facts, cache)


class NothingRead(Corpus):
    """A corpus whose audio is not here."""

    name = "nominal"
    licence = "not read"

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate

    def utterances(self) -> Sequence[Utterance]:
        """Return nothing: the plan's rows are not utterances."""
        return []

    def read_bytes(self, utterance: Utterance) -> bytes:
        """Raise UserError."""
        raise UserError(f"'{utterance.id}' stands for audio that is not here; it cannot be read")


def rows(split: str, hours: Sequence[float]) -> list[Utterance]:
    """Return a row of each so many hours."""
    return [
        Utterance(
            id=f"nominal/{split}/{number}",
            speaker="nominal",
            voice="nominal",
            language="und",
            seconds=length * HOUR,
            transcript=None,
            split=split,
            path="",
            sha256=f"{split}/{number}",
        )
        for number, length in enumerate(hours)
    ]
