from pathlib import Path

import fsspec
import pytest
from latent_helpers import Make

from harness.errors import UserError
from harness.latents.read import Latents
from harness.latents.remote import Remote
from harness.latents.shard import DamagedShard, verify
from harness.store import Store


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return f"memory:/{tmp_path}/far"
    return f"file://{tmp_path}/far"


def ids(latents: Latents) -> list[str]:
    return [shard.id for shard in latents.cache.shards]


def remote_file(url: str, identity: str, ending: str) -> tuple[fsspec.AbstractFileSystem, str]:
    files, root = fsspec.core.url_to_fs(url)
    (path,) = [name for name in files.ls(f"{root}/{identity}", False) if name.endswith(ending)]
    return files, path


def test_there_and_back(make: Make, tmp_path: Path, url: str) -> None:
    latents, other, remote = make(tmp_path / "a"), Store.create(tmp_path / "b"), Remote(url)
    for identity in ids(latents):
        assert not remote.get(other, identity)
        assert [remote.put(latents.store, identity) for _ in range(2)] == [True, False]
        assert remote.get(other, identity)
        verify(other.folder("latents", identity), identity)
        for file in latents.store.folder("latents", identity).iterdir():
            assert (other.folder("latents", identity) / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("ending", ["-z.npy", "-codes.npy", "-spans.json"])
@pytest.mark.parametrize("fault", ["flipped", "cut", "removed"])
def test_a_damaged_remote_shard_is_refused(
    make: Make, tmp_path: Path, url: str, ending: str, fault: str
) -> None:
    latents, other, remote = make(tmp_path / "a"), Store.create(tmp_path / "b"), Remote(url)
    identity = ids(latents)[0]
    remote.put(latents.store, identity)
    files, path = remote_file(url, identity, ending)
    data = bytearray(files.cat_file(path))
    files.rm_file(path)
    if fault != "removed":
        data[-1] ^= 1
        files.pipe_file(path, bytes(data if fault == "flipped" else data[:-1]))
    with pytest.raises(DamagedShard, match=ending):
        remote.get(other, identity)
    assert other.finished("latents") == set()
    assert list(other.staging.iterdir()) == []
    assert remote.put(latents.store, identity, replace=True)
    assert remote.get(other, identity)


def test_a_partly_uploaded_shard_is_not_there(make: Make, tmp_path: Path, url: str) -> None:
    latents, other, remote = make(tmp_path / "a"), Store.create(tmp_path / "b"), Remote(url)
    identity = ids(latents)[0]
    remote.put(latents.store, identity)
    files, path = remote_file(url, identity, "record.json")
    files.rm_file(path)
    assert not remote.get(other, identity)
    assert remote.put(latents.store, identity)
    assert remote.get(other, identity)


def test_a_torn_remote_record_is_refused_and_replaced(make: Make, tmp_path: Path, url: str) -> None:
    latents, other, remote = make(tmp_path / "a"), Store.create(tmp_path / "b"), Remote(url)
    identity = ids(latents)[0]
    remote.put(latents.store, identity)
    files, path = remote_file(url, identity, "record.json")
    files.pipe_file(path, files.cat_file(path)[:100])
    with pytest.raises(DamagedShard, match=r"record\.json"):
        remote.get(other, identity)
    assert remote.put(latents.store, identity)
    assert remote.get(other, identity)


def test_a_damaged_local_shard_is_not_uploaded(make: Make, tmp_path: Path, url: str) -> None:
    latents, remote = make(tmp_path / "a"), Remote(url)
    identity = ids(latents)[0]
    (latents.store.folder("latents", identity) / "codes.npy").write_bytes(b"")
    with pytest.raises(DamagedShard, match="codes"):
        remote.put(latents.store, identity)
    assert not remote.get(Store.create(tmp_path / "b"), identity)


@pytest.mark.parametrize("url", ["nosuch://bucket/far", "ftp://127.0.0.1:1/far"])
def test_storage_that_cannot_be_used_is_one_sentence(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="cannot be used as storage") as caught:
        Remote(url).get(Store.create(tmp_path), "any")
    assert url in str(caught.value)
    assert "credentials" in str(caught.value)


def test_storage_that_cannot_be_written(make: Make, tmp_path: Path) -> None:
    (tmp_path / "far").write_text("a file, where a folder is needed")
    latents = make(tmp_path / "a")
    with pytest.raises(UserError, match="cannot be used as storage"):
        Remote(f"file://{tmp_path}/far").put(latents.store, ids(latents)[0])
