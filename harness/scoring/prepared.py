"""The references' side of every metric, computed once and kept by content: in memory and on disk.

    FOLDER/METRIC-DIGEST/AB/ABCD….npz

The digest is of the metric's version and rate and of the resampling policy, so a file is never
served to another metric than wrote it. Files appear by rename; one that cannot be read whole is
computed again and replaced.
"""

from __future__ import annotations

import contextlib
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.audio import RESAMPLING_POLICY
from harness.identity import digest
from metrics.base import Facts, Prepared

MEMORY_BYTES = 64 * 2**20
ENTRY_BYTES = 1024  # what one entry takes beside its arrays
NAMES = "names"


class PreparedCache:
    """Arrays by metric and reference. Without a folder they are kept in memory alone."""

    def __init__(self, folder: Path | None, memory: int = MEMORY_BYTES) -> None:
        self._folder, self._memory, self._held = folder, memory, 0
        self._recent: OrderedDict[tuple[str, str], Prepared] = OrderedDict()

    def place(self, facts: Facts, params: Mapping[str, Any]) -> str:
        """Return the folder of a metric at its version, under its parameters."""
        made_by = [facts.name, facts.version, facts.sample_rate, dict(params), RESAMPLING_POLICY]
        return f"{facts.name}-{digest(made_by)}"

    def get(self, place: str, reference: str) -> Prepared | None:
        """Return what was kept of a reference, by its key, or None."""
        if (place, reference) not in self._recent:
            found = read_arrays(self._folder / file_of(place, reference)) if self._folder else None
            if found is None:
                return None
            self._keep(place, reference, found)
        self._recent.move_to_end((place, reference))
        return self._recent[place, reference]

    def put(self, place: str, reference: str, arrays: Prepared) -> None:
        """Keep the arrays of a reference."""
        self._keep(place, reference, arrays)
        if self._folder:
            # A full disk costs the time to compute them again, not the score.
            with contextlib.suppress(OSError):
                write_arrays(self._folder / file_of(place, reference), arrays)

    def _keep(self, place: str, reference: str, arrays: Prepared) -> None:
        self._recent[place, reference] = arrays
        self._held += size_of(arrays)
        while self._held > self._memory and len(self._recent) > 1:
            self._held -= size_of(self._recent.popitem(last=False)[1])


def file_of(place: str, reference: str) -> Path:
    """Return a file's place below the cache's folder."""
    return Path(place, reference[:2], f"{reference}.npz")


def size_of(arrays: Prepared) -> int:
    """Return about how many bytes an entry holds."""
    return ENTRY_BYTES + sum(array.nbytes for array in arrays.values())


def read_arrays(path: Path) -> Prepared | None:
    """Return a file's arrays, or None if it is not there or not whole (each has a checksum)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = dict(file)
        names = [str(name) for name in found.pop(NAMES)]
    except FileNotFoundError:
        return None
    except Exception:  # a damaged archive raises whatever its damage leads to; it is made anew
        return None
    return found if sorted(found) == names else None


def write_arrays(path: Path, arrays: Prepared) -> None:
    """Write arrays by rename, so that other processes see all of them or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays, **{NAMES: np.array(sorted(arrays))})  # type: ignore[arg-type]
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
