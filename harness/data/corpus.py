"""What every corpus is to the rest of the harness: a manifest of utterances, and their audio."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError, nearest

if TYPE_CHECKING:
    from harness.audio import Samples


@dataclass(frozen=True)
class Utterance:
    """One manifest row. `sha256` names the audio; `speaker` is the cluster for CIs.

    `start` and `stop` (seconds) and `channel` locate a segment of a longer recording, else None/0.
    """

    id: str
    speaker: str
    voice: str
    language: str
    seconds: float
    transcript: str | None
    split: str
    path: str
    sha256: str
    channel: int | None = None
    start: float = 0.0
    stop: float | None = None

    @property
    def order(self) -> str:
        """The hash that decides every subset: stable, and independent of the corpus' order."""
        return hashlib.sha256(f"resynth:{self.id}".encode()).hexdigest()

    @property
    def stored(self) -> str:
        """The hash of the stored bytes: equal for whatever is made of the same recording.

        It is `sha256`, but for corpora whose audio is made of another's (`data.telephone`).
        """
        return self.sha256


class Corpus(ABC):
    """A set of utterances in named splits. Loaders subclass this, one file each."""

    name: str
    sample_rate: int
    licence: str

    @abstractmethod
    def utterances(self) -> Sequence[Utterance]:
        """Return every utterance; reads headers and manifests, never all the audio."""

    @abstractmethod
    def read_bytes(self, utterance: Utterance) -> bytes:
        """Return the stored audio file's bytes. Raises UserError if it is missing."""

    def decode(self, utterance: Utterance, data: bytes) -> Samples:
        """Turn stored bytes into mono float32 (T,). Raises UserError as `read_audio` does."""
        from harness.audio import read_audio

        name = f"corpus '{self.name}', utterance '{utterance.id}' ({utterance.path})"
        samples, _ = read_audio(data, name, self.sample_rate)
        return samples

    def split(self, *names: str) -> list[Utterance]:
        """Return the utterances of the named splits, ordered by id.

        Raises UserError for an unknown or empty split, and for duplicate utterance ids.
        """
        rows = self.utterances()
        known = {row.split for row in rows}
        for name in names:
            if name not in known:
                raise UserError(f"corpus '{self.name}': no split '{name}'{nearest(name, known)}")
        check_unique(rows, self.name)
        return sorted((row for row in rows if row.split in names), key=lambda row: row.id)


def check_unique(rows: Sequence[Utterance], corpus: str) -> None:
    """Raise UserError if an utterance id occurs twice."""
    doubles = [key for key, count in Counter(row.id for row in rows).items() if count > 1]
    if doubles:
        raise UserError(
            f"corpus '{corpus}': utterance id '{doubles[0]}' occurs more than once "
            f"({len(doubles)} such ids); make the ids unique"
        )


def nested_subset(rows: Sequence[Utterance], seconds: float) -> list[Utterance]:
    """Choose `seconds` of audio, balanced over voices, so that smaller sizes lie inside larger.

    The result is a prefix of `spread_voices`, as close to `seconds` as whole utterances come.
    Raises UserError if more audio is asked for than there is, or none.
    """
    total = sum(row.seconds for row in rows)
    if not seconds > 0:
        raise UserError(f"data size {seconds / 3600:.3f} h: must be above zero; choose a size")
    if seconds > total * (1 + 1e-9):
        raise UserError(
            f"data size {seconds / 3600:.3f} h is larger than the training corpus "
            f"({total / 3600:.3f} h); choose a smaller size"
        )
    return sorted(take(spread_voices(rows), seconds), key=lambda row: row.id)


def spread_voices(rows: Sequence[Utterance]) -> list[Utterance]:
    """Order rows so that each prefix holds about the same fraction of every voice's audio.

    Systematic sampling: a voice's audio, in hash order, fills [0, 1], and each utterance stands at
    a point of its own interval, drawn by hash. So where voices have an utterance or two each, a
    small prefix holds a random few of the voices, not one utterance of all of them.
    """
    voices: dict[str, list[Utterance]] = {}
    for row in sorted(rows, key=lambda row: row.order):
        voices.setdefault(row.voice, []).append(row)
    places: dict[str, float] = {}
    for own in voices.values():
        length, before = sum(row.seconds for row in own), 0.0
        for row in own:
            draw = int(row.order[-8:], 16) / 16**8  # other digits than those that sort
            places[row.id] = (before + draw * row.seconds) / length
            before += row.seconds
    return sorted(rows, key=lambda row: (places[row.id], row.order))


def take(rows: Sequence[Utterance], seconds: float) -> list[Utterance]:
    """Take rows from the front while their midpoint lies within `seconds`; at least one."""
    taken, used = [rows[0]], rows[0].seconds
    for row in rows[1:]:
        if used + row.seconds / 2 > seconds:
            break
        taken.append(row)
        used += row.seconds
    return taken
