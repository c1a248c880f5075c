"""The references' side of every metric, computed once and kept by content: in memory and on disk.

    FOLDER/METRIC-DIGEST/AB/ABCD….npz

The digest is of the metric's version and rate and of the resampling policy, so a file is never
served to another metric than wrote it. Files appear by rename; one that cannot be read whole is
computed again and replaced.
"""

from __future__ import annotations

import uuid
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.audio import RESAMPLING_POLICY
from harness.identity import digest
from metrics.base import Facts, Prepared

MEMORY_BYTES = 64 * 2**20


class PreparedCache:
    """Arrays by metric and reference. Without a folder they are kept in memory alone."""

    def __init__(self, folder: Path | None, memory: int = MEMORY_BYTES) -> None:
        self._folder, self._memory, self._held = folder, memory, 0
        self._recent: OrderedDict[Path, Prepared] = OrderedDict()

    def get(self, facts: Facts, reference: str, compute: Callable[[], Prepared]) -> Prepared:
        """Return what `compute` gives for a reference, by its key; its errors are not kept."""
        place = Path(place_of(facts), reference[:2], f"{reference}.npz")
        if place not in self._recent:
            self._keep(place, self._load(place, compute))
        self._recent.move_to_end(place)
        return self._recent[place]

    def _load(self, place: Path, compute: Callable[[], Prepared]) -> Prepared:
        if self._folder is None:
            return compute()
        path = self._folder / place
        found = read_arrays(path)
        if found is None:
            found = compute()
            write_arrays(path, found)
        return found

    def _keep(self, place: Path, arrays: Prepared) -> None:
        self._recent[place] = arrays
        self._held += size_of(arrays)
        while self._held > self._memory and len(self._recent) > 1:
            self._held -= size_of(self._recent.popitem(last=False)[1])


def place_of(facts: Facts) -> str:
    """Return the folder of a metric at its version."""
    made_by = digest([facts.name, facts.version, facts.sample_rate, RESAMPLING_POLICY])
    return f"{facts.name}-{made_by}"


def size_of(arrays: Prepared) -> int:
    """Return the bytes that arrays hold."""
    return sum(array.nbytes for array in arrays.values())


def read_arrays(path: Path) -> Prepared | None:
    """Return a file's arrays, or None if it is not there or not whole (each has a checksum)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def write_arrays(path: Path, arrays: Prepared) -> None:
    """Write arrays by rename, so that other processes see all of them or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
