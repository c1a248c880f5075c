"""Brings the audio the pages play into the site, as hard links where the file system allows."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from harness.records import EvaluatedUtterance, ReferenceRecord
from harness.store import Kind, Store
from leaderboard.slugs import unique_slug
from leaderboard.systems import System

NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES)


class AudioShelf:
    """Places audio below `site/audio`; answers with its URL from the site's root.

    A file the store has lost is None, and is listed in `lost`: the page says so.
    """

    def __init__(self, store: Store, site: Path) -> None:
        """Take the store to read from and the site's folder to write to."""
        self.store = store
        self.site = site
        self.lost: set[str] = set()
        self._placed: dict[str, str | None] = {}

    def estimate(self, system: System, split: str, utterance: EvaluatedUtterance) -> str | None:
        """Place one utterance of a system."""
        url = f"audio/{system.slug}/{unique_slug(split)}/{unique_slug(utterance.id)}.flac"
        return self._place("evaluations", system.evaluations[split].id, utterance.audio, url)

    def reference(self, record: ReferenceRecord, utterance: str) -> str | None:
        """Place one reference utterance."""
        if utterance not in record.audio:
            self.lost.add(f"references/{record.id}: {utterance}")
            return None
        url = f"audio/reference/{unique_slug(record.id)}/{unique_slug(utterance)}.flac"
        return self._place("references", record.id, record.audio[utterance], url)

    def _place(self, kind: Kind, identity: str, relative: str, url: str) -> str | None:
        if url not in self._placed:
            folder = self.store.folder(kind, identity).resolve()
            source = (folder / relative).resolve()
            # A record must not be able to publish a file from elsewhere on this machine.
            found = source.is_relative_to(folder) and source.is_file()
            if found:
                link_or_copy(source, self.site / url)
            else:
                self.lost.add(f"{kind}/{identity}/{relative}")
            self._placed[url] = url if found else None
        return self._placed[url]


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it where links are not possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copyfile(source, target)
