"""A corpus given by a manifest: JSON lines (see `harness.data.manifest`) beside the audio."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from harness.data.corpus import Corpus, Utterance
from harness.data.files import read_text
from harness.data.manifest import parse_manifest
from harness.data.segments import read_stored
from harness.errors import UserError


class ManifestCorpus(Corpus):
    """The utterances of one manifest file; their paths are relative to the manifest's folder."""

    name = "manifest"

    def __init__(self, root: Path, *, sample_rate: int, licence: str = "not stated") -> None:
        if not root.is_file():
            raise UserError(f"corpus 'manifest': {root} is not a file; give a .jsonl manifest")
        self.root = root
        self.sample_rate = sample_rate
        self.licence = licence

    @cached_property
    def _rows(self) -> list[Utterance]:
        rows = parse_manifest(read_text(self.root), str(self.root))
        absent = [row for row in rows if not (self.root.parent / row.path).is_file()]
        if absent:
            raise UserError(
                f"{self.root}: names '{absent[0].path}' (utterance '{absent[0].id}'), which is "
                f"missing ({len(absent)} such files); restore it or remake the manifest"
            )
        if not rows:
            raise UserError(f"{self.root}: names no utterance; remake the manifest")
        return rows

    def utterances(self) -> Sequence[Utterance]:
        """Return the manifest's rows. Raises UserError if it names a missing file, or none."""
        return self._rows

    def read_bytes(self, utterance: Utterance) -> bytes:
        """Return the file's bytes, or the segment as a WAV. Raises UserError if it is missing."""
        path = self.root.parent / utterance.path
        return read_stored(path, utterance.id, utterance.channel, utterance.start, utterance.stop)
