from pathlib import Path

import pytest

from harness.latents.write import commit_once
from harness.store import Store


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
    with commit_once(store, "id") as folder:
        (folder / "record.json").write_text("own")
    assert (tmp_path / "latents" / "id" / "record.json").read_text() == "rival"
    assert list(store.staging.iterdir()) == []


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), commit_once(Store.create(tmp_path), "id") as folder:
        (folder / "absent").read_bytes()
