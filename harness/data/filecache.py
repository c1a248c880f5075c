"""What is known of audio files already seen, so that a large corpus is hashed once, not per run."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.errors import UserError


@dataclass(frozen=True)
class FileFacts:
    """Facts of a file or segment: hash of its bytes, samples per channel, rate (Hz), channels."""

    sha256: str
    frames: int
    rate: int
    channels: int


_Entry = tuple[int, int, FileFacts]  # size (bytes), mtime (ns), facts
_ENTRIES = TypeAdapter(dict[str, _Entry])


def default_folder() -> Path:
    """Return $XDG_CACHE_HOME/resynth, or ~/.cache/resynth."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "resynth"


class FileCache:
    """Facts keyed by (path, size, mtime), in one JSON file for each corpus root.

    A changed file has another size or time, so it is measured again; `read_utterance` checks the
    hash of what it reads, so even an edit that keeps both cannot be scored unnoticed.
    """

    def __init__(self, root: Path, folder: Path | None = None) -> None:
        name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
        self.path = (folder or default_folder()) / f"files-{name}.json"
        self._entries = self._load()
        self._fresh: dict[str, _Entry] = {}

    def _load(self) -> dict[str, _Entry]:
        try:
            return _ENTRIES.validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}  # nothing is lost: what a cache does not hold is measured again
        except OSError as error:
            raise self._failure(error) from error

    def get(self, key: str, path: Path, measure: Callable[[], FileFacts]) -> FileFacts:
        """Return the facts stored for `key`, or measure them if `path` changed since.

        Raises UserError if `path` is missing, and whatever `measure` raises.
        """
        try:
            stat = path.stat()
        except OSError as error:
            reason = error.strerror
            raise UserError(f"{path}: cannot be read ({reason}); restore the file") from error
        entry = self._entries.get(key)
        if entry is None or entry[:2] != (stat.st_size, stat.st_mtime_ns):
            entry = (stat.st_size, stat.st_mtime_ns, measure())
            self._entries[key] = self._fresh[key] = entry
        return entry[2]

    def save(self) -> None:
        """Write what is new, atomically, beside what other processes wrote meanwhile."""
        if not self._fresh:
            return
        scratch = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(_ENTRIES.dump_json(self._load() | self._fresh))
            os.replace(scratch, self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                scratch.unlink()
            raise self._failure(error) from error
        self._fresh.clear()

    def _failure(self, error: OSError) -> UserError:
        return UserError(
            f"{self.path}: the cache of audio hashes cannot be used ({error.strerror}); free the "
            "space, or choose a writable folder with the corpus option 'cache' or XDG_CACHE_HOME"
        )
