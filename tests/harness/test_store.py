import errno
import json
import multiprocessing
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.records import ReferenceRecord
from harness.store import Store, write_record


def record(identity: str) -> ReferenceRecord:
    return ReferenceRecord(
        id=identity, corpus="c", licence="l", split="test", sample_rate=16_000, audio={}
    )


def test_work_appears_whole_under_its_id(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    with store.commit("references", "abc") as folder:
        write_record(folder, record("abc"))
        assert not store.has("references", "abc")
    assert store.reference("abc") == record("abc")
    assert list(store.staging.iterdir()) == []


def test_failed_work_leaves_nothing(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    with pytest.raises(RuntimeError), store.commit("references", "abc") as folder:
        write_record(folder, record("abc"))
        raise RuntimeError
    assert store.finished("references") == set()
    assert list(store.staging.iterdir()) == []


def test_the_first_to_finish_wins(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    with store.commit("references", "abc") as outer:
        with store.commit("references", "abc") as inner:
            (inner / "first").touch()
        (outer / "second").touch()
    assert [path.name for path in store.folder("references", "abc").iterdir()] == ["first"]


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    with pytest.raises(UserError, match="the disk is full"), store.commit("references", "abc"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(store.staging.iterdir()) == []


def test_a_real_write_to_a_full_device_is_said(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    with (
        pytest.raises(UserError, match="the disk is full"),
        store.commit("references", "abc"),
        open("/dev/full", "wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_an_unwritable_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        Store.create(tmp_path / "file" / "store")


def test_a_missing_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no store here"):
        Store.open(tmp_path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    Store.create(tmp_path)
    (tmp_path / "store.json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(UserError, match="upgrade resynth"):
        Store.open(tmp_path)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    with store.commit("references", "abc") as folder:
        (folder / "record.json").write_text('{"id": "abc"}')
    with pytest.raises(UserError, match=r"record\.json: is not a valid record"):
        store.reference("abc")


def try_lock(root: Path, answer: "multiprocessing.Queue[str]") -> None:
    try:
        with Store(root).lock():
            answer.put("locked")
    except UserError as error:
        answer.put(str(error))


def test_two_runs_cannot_write_one_store(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[str] = context.Queue()
    with store.lock():
        other = context.Process(target=try_lock, args=(tmp_path, answer))
        other.start()
        assert "another run is writing it" in answer.get(timeout=60)
        other.join()
    with Store(tmp_path).lock():
        pass


def test_a_rival_that_commits_in_the_last_moment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, rename = Store.create(tmp_path), Path.rename

    def late(self: Path, target: Path) -> Path:  # between the store's check and its rename
        if not target.exists():
            target.mkdir()
            (target / "record.json").write_text("rival")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with store.commit("latents", "id") as folder:
        (folder / "record.json").write_text("own")
    assert (tmp_path / "latents" / "id" / "record.json").read_text() == "rival"
    assert list(store.staging.iterdir()) == []
