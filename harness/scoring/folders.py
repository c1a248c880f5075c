"""Pair two folders of audio: an utterance is a relative path without its suffix."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from harness.errors import UserError, nearest
from harness.scoring.items import Item

SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"))
LANGUAGE = re.compile("[a-z]{2,3}")
COLUMNS = ("utterance", "transcript", "speaker", "language")


@dataclass(frozen=True)
class Options:
    """How files are paired and read; see `resynth score --help`."""

    padding: int = 0
    resample: bool = False
    language: str | None = None
    speaker_folders: bool = False


@dataclass(frozen=True)
class Paired:
    """The pairs, and the utterances that one side lacks, each with which."""

    items: tuple[Item, ...]
    unpaired: dict[str, str]
    unused_transcripts: int

    @property
    def clusters(self) -> str:
        """What the intervals are over."""
        known = sum(bool(item.speaker) for item in self.items)
        if known == len(self.items):
            return "speakers"
        if known:
            return "speakers, and utterances where the speaker is not known"
        return "utterances (speakers are not known)"


def pair_folders(
    estimates: Path, references: Path, transcripts: Path | None, options: Options
) -> Paired:
    """Pair every audio file of two folders.

    Raises UserError for a folder without audio, two files of one name, no pair at all, and a
    transcripts file that cannot be read.
    """
    check_language(options.language, "--language")
    made, known = audio_files(estimates), audio_files(references)
    shared = sorted(made.keys() & known.keys())
    if not shared:
        raise UserError(
            f"{estimates}: no file has the name of a reference in {references} "
            f"('{min(made)}'{nearest(min(made), known)}); name estimates as their references"
        )
    told = read_transcripts(transcripts) if transcripts else {}
    unpaired = {name: "there is no estimate" for name in known.keys() - made.keys()}
    unpaired |= {name: "there is no reference" for name in made.keys() - known.keys()}
    items = [item_of(name, known[name], made[name], told.get(name, {}), options) for name in shared]
    return Paired(tuple(items), dict(sorted(unpaired.items())), len(told.keys() - known.keys()))


def audio_files(folder: Path) -> dict[str, Path]:
    """Return a folder's audio files, at any depth, by utterance."""
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; give a folder of audio files")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise UserError(f"{path}: {found[name].name} has the same name; remove one of them")
        found[name] = path
    if not found:
        listed = ", ".join(sorted(SUFFIXES))
        raise UserError(f"{folder}: holds no audio file ({listed})")
    return found


def item_of(
    name: str, reference: Path, estimate: Path, told: dict[str, str], options: Options
) -> Item:
    """Return one pair at its reference's rate."""
    folder = name.split("/")[0] if options.speaker_folders and "/" in name else ""
    return Item(
        utterance=name,
        speaker=told.get("speaker") or folder,
        reference=reference,
        estimate=estimate,
        rate=sample_rate(reference),
        padding=options.padding,
        resample=options.resample,
        transcript=told.get("transcript"),
        language=told.get("language") or options.language,
    )


def sample_rate(path: Path) -> int:
    """Return a file's rate in Hz; 1 for one that cannot be read, as reading it will then say."""
    try:
        return int(soundfile.info(path).samplerate)
    except (soundfile.LibsndfileError, OSError):
        return 1


def read_transcripts(path: Path) -> dict[str, dict[str, str]]:
    """Read a CSV of utterance, transcript and, if known, speaker and language.

    Raises UserError if it is not one, or names an utterance twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            check_header(path, reader.fieldnames or [])
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV ({error})") from error
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise UserError(f"{path}, row {number}: has more or fewer cells than the header")
        if row["utterance"] in found:
            raise UserError(f"{path}, row {number}: utterance '{row['utterance']}' occurs twice")
        check_language(row.get("language"), f"{path}, row {number}")
        found[row["utterance"]] = {name: row[name] for name in row if name != "utterance"}
    return found


def check_language(language: str | None, place: str) -> None:
    """Raise UserError unless a language, where one is given, is an ISO 639 code."""
    if language and not LANGUAGE.fullmatch(language):
        raise UserError(
            f"{place}: language '{language}' is not a code of ISO 639, such as en; write it as one"
        )


def check_header(path: Path, header: Sequence[str]) -> None:
    """Raise UserError unless a header names utterances, and nothing that is not understood."""
    for name in header:
        if name not in COLUMNS:
            raise UserError(f"{path}: column '{name}' is not understood{nearest(name, COLUMNS)}")
    if "utterance" not in header:
        raise UserError(f"{path}: has no column 'utterance'; the columns are {', '.join(COLUMNS)}")
