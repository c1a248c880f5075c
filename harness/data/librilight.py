"""LibriLight trees: SUBSET/SPEAKER/BOOK/*.flac (a metadata .json may lie beside each file)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.data.files import FileCorpus, Source, find_audio
from harness.errors import UserError


class LibriLightCorpus(FileCorpus):
    """LibriLight (Kahn et al., ICASSP 2020): each top folder is a split, 16 kHz, no transcripts.

    The speaker is the LibriVox reader in the path. Chapter names repeat between books, so an id is
    the whole path without its suffix. The metadata files say nothing that is used, and the trees
    that the official `cut_by_vad.py` writes have none, so they are not read.
    """

    name = "librilight"
    sample_rate = 16_000
    licence = "public domain (LibriVox recordings)"

    def _find(self) -> Sequence[Source]:
        paths = find_audio(self.root, "*/*/*/*.flac")
        if not paths:
            raise UserError(f"{self.root}: holds no SUBSET/SPEAKER/BOOK/*.flac; correct the path")
        return [self._source(path.relative_to(self.root)) for path in paths]

    def _source(self, path: Path) -> Source:
        split, speaker = path.parts[:2]
        return Source(
            id=path.with_suffix("").as_posix(),
            speaker=speaker,
            voice=speaker,
            language="en",
            transcript=None,
            split=split,
            path=path.as_posix(),
        )
