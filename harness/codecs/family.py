"""What a codec family declares without torch, so that planning needs neither torch nor models.

A family is one file in `harness/codecs/families`, or a class another package names in the entry
point group `resynth.codecs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.config import CodecConfig
from harness.data.download import Report
from harness.errors import UserError
from harness.records import CodecFacts

if TYPE_CHECKING:
    from harness.codecs.base import Codec


class Family(ABC):
    """One or more codecs that share their code. Subclasses are made without arguments.

    `packages` are those whose version may change a latent. `encode_rtf` is, by name, the seconds
    that one CPU core of the machine we develop on (AMD EPYC) takes to read and encode a second of
    audio: a first guess, until a store holds measurements of its own.
    """

    names: ClassVar[tuple[str, ...]]
    packages: ClassVar[tuple[str, ...]] = ("torch",)
    encode_rtf: ClassVar[Mapping[str, float]] = {}

    @abstractmethod
    def weights(self, config: CodecConfig) -> Path:
        """Return the weights' file or folder. Raises UserError, saying how to get it, if absent."""

    @abstractmethod
    def facts(self, config: CodecConfig) -> CodecFacts:
        """Return the facts, weights hashed and verified. Raises UserError if not usable."""

    @abstractmethod
    def load(self, config: CodecConfig, facts: CodecFacts) -> Codec:
        """Load the weights. Raises UserError if they are not those of this architecture."""

    def trained_audio(self, config: CodecConfig) -> Set[str]:
        """Return the first 16 digits of the sha256 of every audio file it was trained on.

        Empty where the training data is known by name only.
        """
        return frozenset()

    def fetch(self, config: CodecConfig, report: Report) -> Path:
        """Download the official weights into their own cache and return the path."""
        raise UserError(f"codec '{config.name}' has no official address; its weights ship with us")


def limit_codebooks(config: CodecConfig, facts: CodecFacts) -> CodecFacts:
    """Return the facts for the first `config.codebooks` codebooks, renamed; all if that is None.

    Raises UserError if there are not that many.
    """
    count = config.codebooks
    if count is None or count == facts.codebooks:
        return facts
    if count > facts.codebooks:
        raise UserError(
            f"codec '{facts.name}': has {facts.codebooks} codebooks, {count} are asked for; "
            f"set codec.codebooks to at most {facts.codebooks}"
        )
    return facts.first(count)


def refuse_options(config: CodecConfig, *names: str) -> None:
    """Raise UserError if an option is set that this codec does not have."""
    for name in names:
        if getattr(config, name) is not None:
            raise UserError(f"codec '{config.name}': has no option '{name}'; remove codec.{name}")
