"""The embedded corpus: 81 minutes of voice prompts in four languages (see `harness.data.embed`)."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from harness.data.corpus import Corpus, Utterance
from harness.data.manifest import parse_manifest
from harness.errors import UserError

ASSETS = Path(__file__).resolve().parent.parent / "assets"


class EmbeddedCorpus(Corpus):
    """Splits train, valid, test (English, with transcripts) and test-voices, at 16 kHz."""

    name = "embedded"
    sample_rate = 16_000
    licence = "CC BY-SA 3.0; Russian and Italian voices CC BY 3.0"

    def __init__(self, folder: Path = ASSETS) -> None:
        self.folder = folder

    @cached_property
    def _rows(self) -> list[Utterance]:
        path = self.folder / "corpus.jsonl"
        if not path.is_file():
            raise UserError(f"{path}: the embedded corpus is missing; reinstall resynth-bench")
        return parse_manifest(path.read_text(encoding="utf-8"), path.name)

    def utterances(self) -> Sequence[Utterance]:
        """Return the manifest's rows."""
        return self._rows

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.folder / "corpus.zip")

    def read_bytes(self, utterance: Utterance) -> bytes:
        """Return a member of the archive."""
        try:
            return self._archive.read(utterance.path)
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            raise UserError(
                f"corpus.zip: '{utterance.path}' is named by the manifest but cannot be read "
                f"({error}); reinstall resynth-bench"
            ) from error
