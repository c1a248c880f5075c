"""Which codecs there are, and their facts, without importing torch."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

from harness.codecs import families
from harness.codecs.family import Family
from harness.codecs.quantizers import quantizer_audio, requantized_facts
from harness.config import CodecConfig
from harness.data.corpus import Utterance
from harness.errors import UserError, nearest
from harness.identity import digest, source_digest
from harness.records import CodecFacts
from methods.sources import trace

GROUP = "resynth.codecs"
CODECS = Path(__file__).parent
FACTS = ("family.py", "weights.py", "hub.py")


@cache
def discover() -> dict[str, Family]:
    """Return every codec's family by the codec's name. Raises UserError if two share a name."""
    found: dict[str, Family] = {}
    for family in [*_own(), *_plugged()]:
        for name in family.names:
            if name in found:
                raise UserError(f"codec '{name}' is declared twice; rename one")
            found[name] = family
    return found


def _own() -> Iterable[Family]:
    for module in pkgutil.iter_modules(families.__path__):
        loaded = importlib.import_module(f"{families.__name__}.{module.name}")
        for _, kind in inspect.getmembers(loaded, inspect.isclass):
            if kind.__module__ == loaded.__name__ and issubclass(kind, Family):
                yield kind()


def _plugged() -> Iterable[Family]:
    for point in entry_points(group=GROUP):
        kind = point.load()
        if not (inspect.isclass(kind) and issubclass(kind, Family)):
            raise UserError(f"entry point '{point.name}' of {GROUP}: is no codec Family")
        yield kind()


def family_of(config: CodecConfig) -> Family:
    """Return a codec's family. Raises UserError for an unknown codec."""
    known = discover()
    if config.name not in known:
        raise UserError(f"codec '{config.name}' does not exist{nearest(config.name, known)}")
    return known[config.name]


def codec_facts(config: CodecConfig) -> CodecFacts:
    """Return a codec's facts, its weights hashed. Raises UserError if they are not usable."""
    if config.quantizer is None:
        facts = family_of(config).facts(config)
    else:
        base = config.model_copy(update={"quantizer": None, "codebooks": None, "label": None})
        facts = requantized_facts(config, codec_facts(base))
    return facts.model_copy(update={"name": config.label}) if config.label else facts


@cache
def codec_sources(config: CodecConfig) -> tuple[Path, ...]:
    """Return the files whose code turns audio into this codec's latents and back.

    How a codec was trained is in its weights' hash, and where they lie or what they may cost
    changes no result, so neither is among them.
    """
    kind = type(family_of(config))
    files = set(trace(Path(inspect.getfile(kind)), kind.__module__))
    if config.quantizer is not None:
        files |= set(trace(CODECS / "requantized.py", "harness.codecs.requantized"))
    return tuple(sorted(path for path in files if computes(path)))


def computes(path: Path) -> bool:
    """Say whether a traced file is a codec's own code: no other part of the harness, no facts."""
    if CODECS not in path.parents:
        return CODECS.parent not in path.parents
    return path.parent == CODECS and path.name not in FACTS


@cache
def codec_identity(config: CodecConfig) -> str:
    """Return an id of the code and the packages' versions that compute this codec's results."""
    packages = {name: installed(name) for name in family_of(config).packages}
    return digest([source_digest(codec_sources(config)), packages])


@cache
def installed(package: str) -> str:
    """Return a package's version, or that it is absent: then nothing can be computed with it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def check_test_audio(config: CodecConfig, rows: Iterable[Utterance]) -> None:
    """Raise UserError if the codec, or its refitted codebooks, saw one of these utterances.

    Where training data is public by name only, as EnCodec's is, there is nothing to check against.
    """
    trained = family_of(config).trained_audio(config) | quantizer_audio(config)
    for row in rows:
        if row.stored[:16] in trained:
            raise UserError(
                f"codec '{config.name}' was trained on test utterance '{row.id}'; choose another "
                "codec or another test split"
            )
