"""The sensitivity study: known artefacts at graded levels, and what each metric sees of them.

It is an ordinary run of the matrix with anchors alone: the reference itself (`copy`), the reference
with each artefact at each level (`degraded`), the codec from ever fewer codes, and Opus at ever
lower bit rates. What is done already is kept, as in any run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue

from harness.audio import RESAMPLING_POLICY, resample
from harness.config import Config, MethodConfig, Strict
from harness.data.corpus import Corpus, Utterance
from harness.data.read import read_utterance
from harness.errors import UserError, nearest
from harness.identity import audio_digest, digest
from harness.splits import Splits, resolve_splits
from harness.store import Store, atomic_write
from harness.studies.sections import read_study
from methods.artefacts.base import Samples, Word
from methods.artefacts.catalog import ARTEFACTS
from methods.artefacts.words import distinct, sample_key, write_words
from methods.params import MethodError
from metrics import recogniser
from metrics.base import MetricUnavailable

RAISED = ("pitch_shift", "voice_shift")
SHORTEST_WORD = 0.05  # seconds; a reading may hold words of no length


class SensitivityStudy(Strict):
    """The section `study`: the levels of each artefact, in the artefact's unit.

    An empty list leaves an artefact out. `codec_layers` are numbers of the codec's codes to decode
    from, `opus` bit rates in b/s.
    """

    artefacts: dict[str, list[float]]
    codec_layers: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)
    opus: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)

    @property
    def needs_words(self) -> bool:
        """Whether an artefact must know where the words are."""
        return any(ARTEFACTS[name].needs_words for name, levels in self.artefacts.items() if levels)


def load_sensitivity(path: Path) -> tuple[Config, SensitivityStudy]:
    """Read a study: a configuration with a section `study`. Raises UserError for anything else."""
    config, study = read_study(path, SensitivityStudy, "sensitivity")
    check_study(path, config, study)
    return config, study


def check_study(path: Path, config: Config, study: SensitivityStudy) -> None:
    """Raise UserError for what no run could do, or no page could show."""
    if [method.name for method in config.methods] != ["copy"]:
        raise UserError(
            f"{path}: methods: the study adds what it compares with 'copy'; list copy alone"
        )
    if len(config.codecs) != 1:
        raise UserError(f"{path}: codec: the study decodes from one codec's codes; name one")
    for name, levels in study.artefacts.items():
        where = f"{path}: study.artefacts"
        if name not in ARTEFACTS:
            raise UserError(f"{where}: '{name}' is no artefact{nearest(name, ARTEFACTS)}")
        if len(set(levels)) < len(levels):
            raise UserError(f"{where}.{name}: a level occurs twice; remove one")
        for level in levels:
            try:
                ARTEFACTS[name].check(name, level)
            except MethodError as error:
                raise UserError(f"{where}: {error}") from error
            if level < 0 and name in RAISED:  # it would be graded as milder than none
                raise UserError(
                    f"{where}.{name}: it is raised, so give a positive level, not {level:g}"
                )


def compared(
    study: SensitivityStudy, codebooks: int, words: Mapping[str, JsonValue]
) -> list[MethodConfig]:
    """Return every degraded system; `words` are the parameters that artefacts of words need.

    From all its `codebooks` the codec is what it is on any board, with no layers asked for.
    """
    found = [
        degraded(name, level, words if ARTEFACTS[name].needs_words else {})
        for name, levels in study.artefacts.items()
        for level in levels
    ]
    fewer = [count for count in study.codec_layers if count != codebooks]
    found += [MethodConfig(name="codec")] if codebooks in study.codec_layers else []
    found += [MethodConfig(name="codec", layers=fewer)] if fewer else []
    return found + [MethodConfig(name="opus", params={"bit_rate": rate}) for rate in study.opus]


def degraded(name: str, level: float, words: Mapping[str, JsonValue]) -> MethodConfig:
    """Return the reference with one artefact; the variant is what the board calls it."""
    params: dict[str, JsonValue] = {"artefact": name, "level": level, **words}
    variant = f"{name.replace('_', ' ')} {level:g}"
    return MethodConfig(name="degraded", variant=variant, params=params)


def study_config(config: Config, study: SensitivityStudy, words: Mapping[str, JsonValue]) -> Config:
    """Return the run of everything that the study compares."""
    from harness.codecs.catalog import codec_facts

    codebooks = codec_facts(config.codecs[0]).codebooks
    methods = [*config.methods, *compared(study, codebooks, words)]
    return config.model_copy(update={"methods": methods})


def run_study(
    config: Config,
    study: SensitivityStudy,
    root: Path,
    site: Path,
    address: str | None,
    say: Callable[[str], None],
) -> None:
    """Find the words, run the matrix and publish. Raises as `harness.run.run` does."""
    from harness.run import run

    store, words = Store.create(root), {}
    if study.needs_words:
        with store.lock():
            words = words_params(resolve_splits(config), store, say)
    run(study_config(config, study, words), root, site, address)


def words_params(splits: Splits, store: Store, say: Callable[[str], None]) -> dict[str, JsonValue]:
    """Return the parameters naming the file of all evaluated words; it is made once.

    The file's name holds all that determines it; its hash, not its place, goes into evaluations'
    ids. Raises UserError as `hear` does.
    """
    rows = [row for evaluated in splits.evaluate.values() for row in evaluated]
    identity = digest(
        {
            "audio": audio_digest(rows),
            "rate": splits.corpus.sample_rate,
            "recogniser": recogniser.VERSION,
            "resampling": RESAMPLING_POLICY,
            "shortest": SHORTEST_WORD,
        }
    )
    path = store.root / "words" / f"{identity}.json"
    if not path.is_file():
        say(f"finding the words of {len(rows)} utterances")
        found = dict(hear_all(splits.corpus, rows))
        path.parent.mkdir(exist_ok=True)
        atomic_write(path, write_words(found))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"words": str(path.resolve()), "words_sha256": sha256}


def hear_all(corpus: Corpus, rows: Sequence[Utterance]) -> Iterator[tuple[str, Sequence[Word]]]:
    """Yield each utterance's key and words. Raises UserError as `hear` does."""
    try:
        reader = recogniser.recogniser()
        for row in rows:
            samples = read_utterance(corpus, row)
            yield sample_key(samples), hear(reader, row.id, samples, corpus.sample_rate)
    except MetricUnavailable as error:
        raise UserError(f"the words' times: {error}") from error


def hear(reader: recogniser.Recogniser, name: str, samples: Samples, rate: int) -> Sequence[Word]:
    """Return the words of an utterance (T,) as the recogniser hears them.

    Words shorter than SHORTEST_WORD are left out. Raises UserError where fewer than two different
    words are left: none could be swapped.
    """
    heard = reader.words(resample(samples, rate, recogniser.SAMPLE_RATE))
    last = len(samples) / rate
    words = [Word(text.strip(), start, min(end, last)) for text, start, end in heard]
    words = [word for word in words if word.end - word.start >= SHORTEST_WORD]
    if distinct(words) < 2:
        raise UserError(
            f"utterance '{name}': fewer than two different words are heard, so none can be "
            "swapped; evaluate other utterances, or remove the artefacts of words"
        )
    return words
