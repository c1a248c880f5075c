"""The content-addressed store: every finished piece of work is a folder named by its id.

    STORE/store.json                         schema version
    STORE/{trials,evaluations,references,scores,latents}/ID/record.json + files
    STORE/runs/NAME/record.json              what a configuration asked for last
    STORE/checkpoints/TRIAL.pt               states of trials under way, to go on from
    STORE/staging/                           work in progress, emptied when a run starts

A folder appears under its id by one rename, complete or not at all, so a killed run leaves nothing
half written. One run at a time holds the store's lock; readers need none.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from harness.errors import UserError
from harness.records import (
    SCHEMA,
    EvaluationRecord,
    Record,
    ReferenceRecord,
    RunRecord,
    ScoreRecord,
    TrialRecord,
)

Kind = Literal["trials", "evaluations", "references", "scores", "latents", "runs"]
R = TypeVar("R", bound=Record)


class Store:
    """A store on a local file system."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def create(cls, root: Path) -> Store:
        """Open a store for writing, making it if needed. Raises UserError if it cannot be."""
        store = cls(root)
        try:
            store.staging.mkdir(parents=True, exist_ok=True)
            if not (root / "store.json").exists():
                atomic_write(root / "store.json", json.dumps({"schema": SCHEMA}).encode())
            (root / "store.json").touch()
        except OSError as error:
            raise UserError(
                f"store {root}: cannot be written ({error.strerror}); choose another --store or "
                "change its permissions"
            ) from error
        store.check_schema()
        return store

    @classmethod
    def open(cls, root: Path) -> Store:
        """Open an existing store for reading. Raises UserError if there is none."""
        if not (root / "store.json").is_file():
            raise UserError(f"store {root}: there is no store here; run `resynth run CONFIG` first")
        store = cls(root)
        store.check_schema()
        return store

    @property
    def staging(self) -> Path:
        """Where work in progress lies."""
        return self.root / "staging"

    def check_schema(self) -> None:
        """Raise UserError if the store was written by another schema."""
        found = json.loads((self.root / "store.json").read_text())["schema"]
        if found != SCHEMA:
            hint = "upgrade resynth" if found > SCHEMA else "choose another --store"
            raise UserError(
                f"store {self.root}: has schema {found}, this resynth writes {SCHEMA}; {hint}"
            )

    def folder(self, kind: Kind, identity: str) -> Path:
        """Return where a finished piece of work lies (or would lie)."""
        return self.root / kind / identity

    def checkpoint(self, trial: str) -> Path:
        """Return where the state of a trial under way is kept."""
        return self.root / "checkpoints" / f"{trial}.pt"

    def has(self, kind: Kind, identity: str) -> bool:
        """Say whether the work is finished."""
        return (self.folder(kind, identity) / "record.json").is_file()

    def finished(self, kind: Kind) -> set[str]:
        """Return the ids of all finished work of one kind, with one directory scan."""
        folder = self.root / kind
        return {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()

    @contextmanager
    def commit(self, kind: Kind, identity: str, replace: bool = False) -> Iterator[Path]:
        """Yield a staging folder; on success it becomes the finished work under its id.

        If the work exists already, or another process commits it in the same moment, the staged
        copy is discarded: same id, same result. With `replace` it takes the place of work that was
        there but not whole, which stays until then. A full disk is a UserError; whatever was staged
        is removed on any failure.
        """
        staged = self.staging / uuid.uuid4().hex
        old = staged.with_name(f"{staged.name}.old")
        target = self.folder(kind, identity)
        try:
            staged.mkdir(parents=True)
            yield staged
            target.parent.mkdir(parents=True, exist_ok=True)
            if replace and target.exists():
                target.rename(old)
            if not target.exists():
                staged.rename(target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY) and self.has(kind, identity):
                return
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UserError(
                    f"store {self.root}: the disk is full; free space and rerun"
                ) from error
            if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise UserError(
                    f"store {self.root}: cannot be written ({error.strerror})"
                ) from error
            raise
        finally:
            shutil.rmtree(staged, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)

    def replace(self, record: RunRecord) -> None:
        """Write or overwrite a run record: the one kind that changes."""
        folder = self.folder("runs", record.id)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / "record.json", record.model_dump_json(indent=1).encode())

    def discard(self, kind: Kind, identity: str) -> None:
        """Remove finished work that has to be done again."""
        shutil.rmtree(self.folder(kind, identity), ignore_errors=True)

    def trial(self, identity: str) -> TrialRecord:
        """Read a trial's record."""
        return self._read("trials", identity, TrialRecord)

    def evaluation(self, identity: str) -> EvaluationRecord:
        """Read an evaluation's record."""
        return self._read("evaluations", identity, EvaluationRecord)

    def reference(self, identity: str) -> ReferenceRecord:
        """Read the record of a split's reference audio."""
        return self._read("references", identity, ReferenceRecord)

    def score(self, identity: str) -> ScoreRecord:
        """Read a score's record."""
        return self._read("scores", identity, ScoreRecord)

    def runs(self) -> list[RunRecord]:
        """Read every run record, in the order of their names."""
        return [self._read("runs", name, RunRecord) for name in sorted(self.finished("runs"))]

    def _read(self, kind: Kind, identity: str, model: type[R]) -> R:
        path = self.folder(kind, identity) / "record.json"
        try:
            return model.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise UserError(
                f"store {self.root}: {kind} {identity} is missing; rerun the configuration"
            ) from error
        except ValidationError as error:
            raise UserError(
                f"{path}: is not a valid record ({error.error_count()} faults); "
                "remove its folder and rerun the configuration"
            ) from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the store for one run; the system releases it even if the process is killed."""
        with (self.root / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(
                    f"store {self.root}: another run is writing it; wait or choose another --store"
                ) from error
            shutil.rmtree(self.staging, ignore_errors=True)
            self.staging.mkdir()
            yield


def write_record(folder: Path, record: Record) -> None:
    """Write a record into a staging folder."""
    (folder / "record.json").write_text(record.model_dump_json(indent=1), encoding="utf-8")


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file by rename: readers see the old or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(data)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
