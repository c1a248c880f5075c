"""Find damaged shards before they are used, and encode them again."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable

from harness.latents.files import Progress
from harness.latents.read import Latents
from harness.latents.shard import DamagedShard, shard_lock, verify
from harness.latents.spec import Shard
from harness.latents.write import write_shard
from harness.store import Store


def open_or_rebuild(latents: Latents, utterances: Iterable[str], progress: Progress) -> None:
    """Open the shards of these utterances, having encoded again those that cannot be used."""
    for shard in latents.cache.shards_of(utterances):
        try:
            latents.open(shard)
        except DamagedShard:
            rebuild(latents, shard, progress)
            latents.open(shard)


def rebuild(latents: Latents, shard: Shard, progress: Progress) -> None:
    """Encode a shard again, unless another process has just done so."""
    store = latents.store
    with shard_lock(store, shard.id):
        try:
            verify(store.folder("latents", shard.id), shard.id)
        except DamagedShard:
            set_aside(store, shard.id)
            write_shard(store, shard, latents.cache, latents.codec, latents.corpus, progress)


def set_aside(store: Store, identity: str) -> None:
    """Remove a shard by one rename, so that no reader sees a part of it."""
    aside = store.staging / uuid.uuid4().hex
    aside.parent.mkdir(parents=True, exist_ok=True)
    folder = store.folder("latents", identity)
    if folder.exists():
        folder.rename(aside)
        shutil.rmtree(aside)
