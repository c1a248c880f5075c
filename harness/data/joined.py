"""Several corpora as one: train on one, test on another, or train on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.audio import Samples
from harness.data.corpus import Corpus, Utterance, check_unique
from harness.data.registry import open_corpus
from harness.errors import UserError, nearest


class Part(BaseModel):
    """A corpus as `open_corpus` takes it. `name` is what its splits are prefixed with.

    One part may be `plain`: its ids and splits have no prefix, so it trains the same trials as
    alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    name: str = ""
    root: str | None = None
    options: dict[str, Any] = {}
    plain: bool = False

    @property
    def prefix(self) -> str:
        """The name, which is the kind where none is given."""
        return self.name or self.kind


class JoinedCorpus(Corpus):
    """The utterances of all `parts`: ids, splits, speakers and voices are prefixed by PART/.

    So "librispeech/test-other" is a split, and a speaker's name means nothing beyond its part. A
    plain part is the corpus that the others are added to: its names stay, and it names the whole.
    Roots of the parts are relative to `root` where one is given.
    Raises UserError for parts that share a name or differ in sample rate, and as `open_corpus`.
    """

    def __init__(self, root: Path | None = None, *, parts: list[Part]) -> None:
        check_names(parts)
        self._parts = {part.prefix: open_part(part, root) for part in parts}
        self._plain = next((self._parts[part.prefix] for part in parts if part.plain), None)
        self.name = self._plain.name if self._plain else "+".join(self._parts)
        self.sample_rate = common_rate(self._parts)
        self.licence = "; ".join(f"{name}: {part.licence}" for name, part in self._parts.items())

    def utterances(self) -> Sequence[Utterance]:
        """Return every utterance of every part."""
        return [
            row
            for name, part in self._parts.items()
            for row in self._named(name, part.utterances())
        ]

    def split(self, *names: str) -> list[Utterance]:
        """Return the utterances of the named splits, ordered by id; other parts stay unopened.

        Raises UserError for an unknown part, and as the parts' own `split` does.
        """
        rows: list[Utterance] = []
        for name in dict.fromkeys(names):
            part, inner = self._home(name)
            rows += self._named(part, self._parts[part].split(inner))
        check_unique(rows, self.name)
        return sorted(rows, key=lambda row: row.id)

    def read_bytes(self, utterance: Utterance) -> bytes:
        """Return the stored bytes from the part the utterance is of."""
        part, own = self._own(utterance)
        return part.read_bytes(own)

    def decode(self, utterance: Utterance, data: bytes) -> Samples:
        """Decode as the part the utterance is of does."""
        part, own = self._own(utterance)
        return part.decode(own, data)

    def _home(self, name: str) -> tuple[str, str]:
        """Return the part that an id or a split's name is of, and the name within it."""
        part, _, inner = name.partition("/")
        if part in self._parts and self._parts[part] is not self._plain:
            return part, inner
        for key, corpus in self._parts.items():
            if corpus is self._plain:
                return key, name
        raise UserError(
            f"corpus '{self.name}': no part '{part}' (write PART/SPLIT){nearest(part, self._parts)}"
        )

    def _own(self, utterance: Utterance) -> tuple[Corpus, Utterance]:
        """Return an utterance's part, and the row as that part gave it."""
        name, _ = self._home(utterance.id)
        part = self._parts[name]
        return part, utterance if part is self._plain else unprefixed(name, utterance)

    def _named(self, part: str, rows: Sequence[Utterance]) -> list[Utterance]:
        """Return a part's rows under their names in the whole."""
        if self._parts[part] is not self._plain:
            return [prefixed(part, row) for row in rows]
        for row in rows:
            if self._home(row.id)[0] != part or self._home(row.split)[0] != part:
                raise UserError(
                    f"corpus '{self.name}': utterance '{row.id}' (split '{row.split}') of the "
                    "plain part looks like another part's; give that part another `name`"
                )
        return list(rows)


def check_names(parts: Sequence[Part]) -> None:
    """Raise UserError for no part, names that repeat or hold a slash, and several plain parts."""
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
    plain = [part.prefix for part in parts if part.plain]
    if len(plain) > 1:
        raise UserError(
            f"corpus 'joined': parts '{plain[0]}' and '{plain[1]}' are both plain; only one can be"
        )


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


def unprefixed(part: str, row: Utterance) -> Utterance:
    """Return the row as its part gave it: `prefixed`, undone."""
    start = len(part) + 1
    return replace(
        row,
        id=row.id[start:],
        split=row.split[start:],
        speaker=row.speaker[start:],
        voice=row.voice[start:],
    )
