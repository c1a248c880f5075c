"""A corpus of audio files under one folder: listed at once, opened and hashed when first needed."""

from __future__ import annotations

import hashlib
import io
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import soundfile

from harness.data.corpus import Corpus, Utterance, check_unique
from harness.data.filecache import FileCache, FileFacts
from harness.data.segments import read_stored
from harness.errors import UserError, nearest

READERS = 4  # threads that hash; what they wait for is the disk
SAVE_EVERY = 2000  # files, so that an interrupted first run loses little


@dataclass(frozen=True)
class Source:
    """An utterance before its audio is opened: every field that needs no reading of audio."""

    id: str
    speaker: str
    voice: str
    language: str
    transcript: str | None
    split: str
    path: str
    channel: int | None = None
    start: float = 0.0
    stop: float | None = None


class FileCorpus(Corpus):
    """Audio files below `root`. A subclass names them in `_find`; the rest is done here."""

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        if not root.is_dir():
            raise UserError(f"corpus '{self.name}': root {root} is not a folder; correct the path")
        self.root = root
        self._cache = FileCache(root, cache)
        self._surveyed: dict[str, tuple[list[Utterance], list[str]]] = {}

    @abstractmethod
    def _find(self) -> Sequence[Source]:
        """List the corpus from names and text files alone. Raises UserError if there is none."""

    @cached_property
    def sources(self) -> Sequence[Source]:
        """Every utterance, before any audio is opened."""
        return self._find()

    @property
    def splits(self) -> list[str]:
        """The names of the splits, sorted."""
        return sorted({source.split for source in self.sources})

    def survey(self, *splits: str) -> tuple[list[Utterance], list[str]]:
        """Open and hash the named splits: (usable utterances, a sentence for each bad file).

        What is known from an earlier run is taken from the cache.
        """
        for split in splits:
            if split not in self.splits:
                raise UserError(
                    f"corpus '{self.name}': no split '{split}'{nearest(split, self.splits)}"
                )
            if split not in self._surveyed:
                self._surveyed[split] = self._survey(split)
        surveys = [self._surveyed[split] for split in dict.fromkeys(splits)]
        return [row for rows, _ in surveys for row in rows], [p for _, ps in surveys for p in ps]

    def _survey(self, split: str) -> tuple[list[Utterance], list[str]]:
        sources = [source for source in self.sources if source.split == split]
        found: list[Utterance | UserError] = []
        with ThreadPoolExecutor(READERS) as pool:
            for at in range(0, len(sources), SAVE_EVERY):
                found += pool.map(self._describe, sources[at : at + SAVE_EVERY])
                self._cache.save()
        return (
            [row for row in found if isinstance(row, Utterance)],
            [str(problem) for problem in found if isinstance(problem, UserError)],
        )

    def _describe(self, source: Source) -> Utterance | UserError:
        key = f"{source.path}#{source.channel},{source.start},{source.stop}"
        try:
            facts = self._cache.get(key, self.root / source.path, lambda: self._measure(source))
            self._check(source, facts)
        except UserError as error:
            return error
        return Utterance(seconds=facts.frames / facts.rate, sha256=facts.sha256, **vars(source))

    def _measure(self, source: Source) -> FileFacts:
        data = self._read(source)
        try:
            info = soundfile.info(io.BytesIO(data))
        except soundfile.LibsndfileError as error:
            raise UserError(
                f"{source.path}: cannot be read as audio ({error.error_string}); replace the file"
            ) from error
        digest = hashlib.sha256(data).hexdigest()
        return FileFacts(digest, info.frames, info.samplerate, info.channels)

    def _check(self, source: Source, facts: FileFacts) -> None:
        if facts.rate != self.sample_rate:
            raise UserError(
                f"{source.path}: is at {facts.rate} Hz, but corpus '{self.name}' is declared at "
                f"{self.sample_rate} Hz; resample the file or declare its rate"
            )
        if facts.channels != 1:
            raise UserError(
                f"{source.path}: has {facts.channels} channels; mono is needed, so "
                "choose or mix channels first"
            )
        if facts.frames == 0:
            raise UserError(f"{source.path}: holds no samples; remove it or replace the file")

    def _read(self, row: Source | Utterance) -> bytes:
        return read_stored(self.root / row.path, row.id, row.channel, row.start, row.stop)

    def utterances(self) -> Sequence[Utterance]:
        """Return every utterance. Raises UserError for the first file that cannot be used."""
        return self._usable(*self.splits)

    def split(self, *names: str) -> list[Utterance]:
        """Return the utterances of the named splits, ordered by id; other splits stay unopened.

        Raises UserError for an unknown split, duplicate utterance ids, or an unusable file.
        """
        rows = self._usable(*names)
        check_unique(rows, self.name)
        return sorted(rows, key=lambda row: row.id)

    def _usable(self, *splits: str) -> list[Utterance]:
        rows, problems = self.survey(*splits)
        if problems:
            more = f" ({len(problems) - 1} more such files)" if len(problems) > 1 else ""
            raise UserError(f"{problems[0]}{more}; see `resynth data verify`")
        return rows

    def read_bytes(self, utterance: Utterance) -> bytes:
        """Return the file's bytes, or the segment as a WAV. Raises UserError if it is missing."""
        return self._read(utterance)


def find_audio(root: Path, pattern: str) -> list[Path]:
    """Return the files that match, sorted, without hidden ones (such as macOS' "._" copies)."""
    return sorted(path for path in root.glob(pattern) if not path.name.startswith("."))


def read_text(path: Path) -> str:
    """Read a UTF-8 text file. Raises UserError if it cannot be."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error}); correct it") from error
