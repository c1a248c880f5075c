"""What the tests of the latent cache share."""

from collections.abc import Callable

from harness.data.corpus import Utterance
from harness.latents.read import Latents
from harness.latents.spec import Cache, Keep, Precision, plan_cache

Make = Callable[..., Latents]  # (folder, precision="float32", keep="latents")


def silent(step: int, steps: int, loss: float | None) -> None:
    """Progress that nobody watches."""


def plan_small(rows: list[Utterance], precision: Precision, keep: Keep) -> Cache:
    """Shards of a few seconds: two or three utterances each."""
    return plan_cache("codec", "code", rows, precision, keep, shard_minutes=0.1)
