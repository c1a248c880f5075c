"""Several corpora as one: train on one, test on another, or train on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.data.corpus import Corpus, Utterance, check_unique
from harness.data.registry import open_corpus
from harness.errors import UserError, nearest


class Part(BaseModel):
    """A corpus as `open_corpus` takes it. `name` is what its splits are prefixed with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    name: str = ""
    root: str | None = None
    options: dict[str, Any] = {}

    @property
    def prefix(self) -> str:
        """The name, which is the kind where none is given."""
        return self.name or self.kind


class JoinedCorpus(Corpus):
    """The utterances of all `parts`: ids, splits, speakers and voices are prefixed by PART/.

    So "librispeech/test-other" is a split, and a speaker's name means nothing beyond its part.
    Roots of the parts are relative to `root` where one is given.
    Raises UserError for parts that share a name or differ in sample rate, and as `open_corpus`.
    """

    def __init__(self, root: Path | None = None, *, parts: list[Part]) -> None:
        check_names(parts)
        self._parts = {part.prefix: open_part(part, root) for part in parts}
        self.name = "+".join(self._parts)
        self.sample_rate = common_rate(self._parts)
        self.licence = "; ".join(f"{name}: {part.licence}" for name, part in self._parts.items())

    def utterances(self) -> Sequence[Utterance]:
        """Return every utterance of every part."""
        return [
            prefixed(name, row) for name, part in self._parts.items() for row in part.utterances()
        ]

    def split(self, *names: str) -> list[Utterance]:
        """Return the utterances of the named splits, ordered by id; other parts stay unopened.

        Raises UserError for an unknown part, and as the parts' own `split` does.
        """
        rows: list[Utterance] = []
        for name in dict.fromkeys(names):
            part, _, split = name.partition("/")
            rows += [prefixed(part, row) for row in self._part(part).split(split)]
        check_unique(rows, self.name)
        return sorted(rows, key=lambda row: row.id)

    def read_bytes(self, utterance: Utterance) -> bytes:
        """Return the stored bytes from the part the utterance is of."""
        return self._part(utterance.id.partition("/")[0]).read_bytes(utterance)

    def _part(self, name: str) -> Corpus:
        if name not in self._parts:
            raise UserError(
                f"corpus '{self.name}': no part '{name}' (write PART/SPLIT)"
                f"{nearest(name, self._parts)}"
            )
        return self._parts[name]


def check_names(parts: Sequence[Part]) -> None:
    """Raise UserError for no part, and for names that repeat or hold a slash."""
    if not parts:
        raise UserError("corpus 'joined': option 'parts' is empty; list at least one corpus")
    seen: set[str] = set()
    for part in parts:
        if part.prefix in seen:
            raise UserError(
                f"corpus 'joined': two parts are called '{part.prefix}'; give one another `name`"
            )
        if "/" in part.prefix:
            raise UserError(
                f"corpus 'joined': part '{part.prefix}': a name holds no '/'; choose another"
            )
        seen.add(part.prefix)


def open_part(part: Part, root: Path | None) -> Corpus:
    """Open one part, its root below `root` if there is one."""
    place = part.root if root is None or part.root is None else str(root / part.root)
    return open_corpus(part.kind, place, **part.options)


def common_rate(parts: dict[str, Corpus]) -> int:
    """Return the parts' sample rate in Hz. Raises UserError if they differ."""
    rates = {name: part.sample_rate for name, part in parts.items()}
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"{name} {rate} Hz" for name, rate in rates.items())
        raise UserError(
            f"corpus 'joined': parts differ in sample rate ({listed}); resample or leave one out"
        )
    return next(iter(rates.values()))


def prefixed(part: str, row: Utterance) -> Utterance:
    """Return the row with the part's name before all that names something within the part."""
    return replace(
        row,
        id=f"{part}/{row.id}",
        split=f"{part}/{row.split}",
        speaker=f"{part}/{row.speaker}",
        voice=f"{part}/{row.voice}",
    )
