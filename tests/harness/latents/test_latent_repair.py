import json
import threading
from pathlib import Path

import pytest
import torch
from latent_helpers import Make

from harness.latents.read import Latents
from harness.latents.repair import open_or_rebuild
from harness.latents.shard import verify


@pytest.mark.parametrize("fault", ["flipped", "no record", "no folder"])
def test_a_damaged_shard_is_rebuilt_and_the_others_are_left(
    make: Make, tmp_path: Path, fault: str
) -> None:
    latents = make(tmp_path)
    name = latents.cache.shards[0].rows[0].id
    good = Latents(latents.store, latents.cache, latents.codec, latents.corpus).read(name, 0, 9)
    damage(tmp_path / "latents" / latents.cache.shards[0].id, fault)
    done: list[int] = []
    open_or_rebuild(latents, latents.cache.home, lambda step, steps, loss: done.append(step))
    assert done == list(range(1, len(latents.cache.shards[0].rows) + 1))
    for one, two in zip(good, latents.read(name, 0, 9), strict=True):
        assert torch.equal(one, two)
    for shard in latents.cache.shards:
        verify(tmp_path / "latents" / shard.id, shard.id)
    assert list(latents.store.staging.iterdir()) == []


def damage(folder: Path, fault: str) -> None:
    if fault == "no folder":
        folder.rename(folder.parent.parent / "aside")
    elif fault == "no record":
        (folder / "record.json").unlink()
    else:
        data = bytearray((folder / "z.npy").read_bytes())
        data[len(data) // 2] ^= 16
        (folder / "z.npy").write_bytes(data)


def test_only_the_shards_of_the_subset_are_looked_at(make: Make, tmp_path: Path) -> None:
    latents = make(tmp_path)
    first, last = latents.cache.shards[0], latents.cache.shards[-1]
    damage(tmp_path / "latents" / last.id, "flipped")
    open_or_rebuild(latents, [first.rows[0].id], lambda *_: pytest.fail("rebuilt"))
    assert set(latents.spans) == {first.id}


def test_of_two_that_find_the_damage_one_rebuilds(make: Make, tmp_path: Path) -> None:
    latents = make(tmp_path)
    shard = latents.cache.shards[0]
    damage(tmp_path / "latents" / shard.id, "flipped")
    encoded: list[int] = []
    both = threading.Barrier(2)

    def work() -> None:
        own = Latents(latents.store, latents.cache, latents.codec, latents.corpus)
        both.wait()
        open_or_rebuild(own, [shard.rows[0].id], lambda step, *_: encoded.append(step))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert encoded == list(range(1, len(shard.rows) + 1))
    verify(tmp_path / "latents" / shard.id, shard.id)


def test_a_changed_span_is_damage(make: Make, tmp_path: Path) -> None:
    latents = make(tmp_path)
    shard = latents.cache.shards[0]
    path = tmp_path / "latents" / shard.id / "spans.json"
    good = path.read_text()
    spans = json.loads(good)
    spans[shard.rows[0].id][0] += 1
    path.write_text(json.dumps(spans, separators=(",", ":")))
    open_or_rebuild(latents, latents.cache.home, lambda *_: None)
    assert path.read_text() == good
