"""LibriSpeech trees: SUBSET/SPEAKER/CHAPTER/*.flac, with .trans.txt files or without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from harness.data.files import FileCorpus, Source, find_audio, read_text
from harness.errors import UserError


class LibriSpeechCorpus(FileCorpus):
    """LibriSpeech (Panayotov et al., ICASSP 2015): each subset folder is a split, 16 kHz, English.

    Utterance ids are file stems (SPEAKER-CHAPTER-NUMBER); each reader is a speaker and a voice.
    A chapter without its .trans.txt has no transcripts; a listed file missing from it is an error.
    """

    name = "librispeech"
    sample_rate = 16_000
    licence = "CC BY 4.0"

    def _find(self) -> Sequence[Source]:
        paths = find_audio(self.root, "*/*/*/*.flac")
        if not paths:
            inside = self.root / "LibriSpeech"
            hint = f"did you mean {inside}?" if inside.is_dir() else "correct the path"
            raise UserError(f"{self.root}: holds no SUBSET/SPEAKER/CHAPTER/*.flac; {hint}")
        return [
            source
            for chapter, files in groupby(paths, key=lambda path: path.parent)
            for source in self._read_chapter(chapter, files)
        ]

    def _read_chapter(self, chapter: Path, files: Iterator[Path]) -> Iterator[Source]:
        split, speaker, number = chapter.relative_to(self.root).parts
        listing = chapter / f"{speaker}-{number}.trans.txt"
        texts = read_transcripts(listing) if listing.is_file() else None
        for path in files:
            if texts is not None and path.stem not in texts:
                raise UserError(f"{listing}: has no line for {path.stem}; restore the file")
            yield Source(
                id=path.stem,
                speaker=speaker,
                voice=speaker,
                language="en",
                transcript=texts[path.stem] if texts is not None else None,
                split=split,
                path=path.relative_to(self.root).as_posix(),
            )


def read_transcripts(path: Path) -> dict[str, str]:
    """Read "ID TEXT" lines. Raises UserError for a line without a text."""
    texts = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            key, _, text = line.strip().partition(" ")
            if not text:
                raise UserError(f"{path}, line {number}: '{key}' has no text; restore the file")
            texts[key] = text
    return texts
