"""Shards at a storage address (any that fsspec knows), staged to the local store and back.

    URL/ID/record.json                written last: without it there is no shard
    URL/ID/{first 16 digits of sha256}-{file name}

As the files' names carry their checksums, two writers of one shard cannot mix theirs.
"""

from __future__ import annotations

import errno
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from fsspec.core import url_to_fs

from harness.errors import UserError
from harness.latents.files import file_sha256
from harness.latents.shard import DamagedShard, damaged, parse_record, verify
from harness.store import Store


class Remote:
    """Shards at one address. Raises UserError if there is no way to reach it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        with self.reachable():
            found: tuple[fsspec.AbstractFileSystem, str] = url_to_fs(self.url)
            self.files, self.root = found

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """Turn a backend's errors into one sentence; a full local disk stays the store's."""
        try:
            yield
        except (UserError, FileNotFoundError):
            raise
        except Exception as error:  # each backend raises its own family: botocore, google.auth, ...
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{self.url}: cannot be used as storage ({reason}); check the address, the "
                "credentials and that the package for its protocol is installed"
            ) from error

    def read_record(self, identity: str) -> bytes | None:
        """Return the bytes of a shard's record; None if there is none, so no whole shard."""
        try:
            with self.reachable():
                data: bytes = self.files.cat_file(f"{self.root}/{identity}/record.json")
        except FileNotFoundError:
            return None
        return data

    def has(self, identity: str) -> bool:
        """Say whether a shard's record is there, and whole."""
        data = self.read_record(identity)
        try:
            return data is not None and bool(parse_record(data, identity))
        except ValueError:
            return False

    def get(self, store: Store, identity: str) -> bool:
        """Stage one shard and commit it; False if it is not there. Raises DamagedShard."""
        data = self.read_record(identity)
        if data is None:
            return False
        try:
            record = parse_record(data, identity)
        except ValueError as error:
            raise self.damaged(identity, "record.json", "is not this shard's record") from error
        with store.commit("latents", identity) as folder:
            for name, digest in record.sha256.items():
                self.get_file(identity, name, digest, folder)
            (folder / "record.json").write_bytes(data)
        return True

    def get_file(self, identity: str, name: str, digest: str, folder: Path) -> None:
        """Stage one file and compare its checksum."""
        remote = f"{digest[:16]}-{name}"
        try:
            with self.reachable():
                self.files.get_file(f"{self.root}/{identity}/{remote}", str(folder / name))
        except FileNotFoundError as error:
            raise self.damaged(identity, remote, "is missing") from error
        if file_sha256(folder / name) != digest:
            raise self.damaged(identity, remote, "is damaged (its sha256 changed)")

    def damaged(self, identity: str, name: str, fault: str) -> DamagedShard:
        """Return the error of a shard that cannot be used."""
        folder = f"{self.url}/{identity}"
        return damaged(f"{folder}/{name}", identity, fault, "a run encodes and uploads it again")

    def put(self, store: Store, identity: str, replace: bool = False) -> bool:
        """Upload one shard, verified; False if its whole record is there already.

        Only `replace` repairs a shard whose record is whole and whose files are damaged. Raises
        DamagedShard if the local one is.
        """
        if not replace and self.has(identity):
            return False
        folder = store.folder("latents", identity)
        record, _ = verify(folder, identity)
        target = f"{self.root}/{identity}"
        with self.reachable():
            self.files.makedirs(target, exist_ok=True)
            for name, digest in record.sha256.items():
                self.files.put_file(str(folder / name), f"{target}/{digest[:16]}-{name}")
            part = f"{target}/{uuid.uuid4().hex}"  # a local disk writes in steps, renames in one
            self.files.put_file(str(folder / "record.json"), part)
            self.files.mv(part, f"{target}/record.json")
        return True
