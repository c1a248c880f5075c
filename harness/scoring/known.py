"""Scores computed before, by the content of all that determines them, in one SQLite file.

What was missing is not kept: it is tried again. A killed run loses nothing that it had scored.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from types import TracebackType

from pydantic import JsonValue

from harness.audio import RESAMPLING_POLICY
from harness.errors import UserError
from harness.identity import digest
from harness.latents import file_sha256
from harness.scoring.items import Item, Row
from metrics.base import Facts

SCHEMA = 1
FIND = "SELECT row FROM rows WHERE key = ?"
KEEP = "INSERT OR REPLACE INTO rows VALUES (?, ?)"
TABLE = "CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, row TEXT)"


class KnownRows:
    """The file of rows; a context that closes it."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises UserError if it cannot be."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.database = sqlite3.connect(path, timeout=60)
            self.database.execute("PRAGMA journal_mode=WAL")
            # A row lost to a power cut is scored again; one lost to a kill there is none.
            self.database.execute("PRAGMA synchronous=NORMAL")
            self.database.execute(TABLE)
        except (OSError, sqlite3.Error) as error:
            raise self.unusable(error) from error

    def __enter__(self) -> KnownRows:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.database.close()

    def get(self, key: str) -> Row | None:
        """Return a row, or None. Raises UserError if the file is damaged."""
        try:
            with closing(self.database.execute(FIND, (key,))) as found:
                row = found.fetchone()
            return json.loads(row[0]) if row else None
        except (sqlite3.Error, json.JSONDecodeError) as error:
            raise self.unusable(error) from error

    def put(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Keep rows for good, all of them or none. Raises UserError if that cannot be."""
        try:
            with self.database:
                self.database.executemany(KEEP, [(key, json.dumps(row)) for key, row in rows])
        except sqlite3.Error as error:
            raise self.unusable(error) from error

    def unusable(self, error: Exception) -> UserError:
        """Return the error of a file that cannot be used."""
        return UserError(
            f"{self.path}: cannot be used to keep scores ({error}); remove it, or give --cache"
        )


@cache
def content(path: Path) -> str:
    """Return a file's sha256; files do not change while we score them."""
    return file_sha256(path)


def key_of(item: Item, facts: Facts, params: dict[str, JsonValue]) -> str:
    """Return the id of one score: the same whenever and wherever it would be the same."""
    return digest(
        {
            "schema": SCHEMA,
            "metric": [facts.name, facts.version, facts.sample_rate, params],
            "resampling": RESAMPLING_POLICY,
            "audio": [content(item.reference), content(item.estimate), item.rate],
            "read": [item.padding, item.resample],
            "told": [item.transcript, item.language],
        }
    )
