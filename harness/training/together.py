"""One trial in several processes of one machine, each with a GPU or a share of the cores."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.training.ranks import Ranks, joined

END_SECONDS = 60.0
Follow = Callable[[Ranks, str], None]


def device_of(rank: int, count: int, device: str) -> str:
    """Return a rank's own device: a GPU each, or the CPU."""
    return f"{device}:{rank}" if device == "cuda" and count > 1 else device


@contextmanager
def together(count: int, device: str, follow: Follow) -> Iterator[Ranks]:
    """Be the first of `count` ranks; the others run `follow(ranks, device)` in own processes.

    `follow` must be picklable. The others have ended when the context has: if this rank fails, they
    are stopped. If one of them fails, this rank's next exchange raises RuntimeError (on GPUs only
    once NCCL's own time limit has passed); what went wrong there is on its standard error.
    """
    if count == 1:
        yield Ranks()
        return
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        others = [
            context.Process(target=run_rank, args=(rank, count, meeting, device, follow))
            for rank in range(1, count)
        ]
        for process in others:
            process.start()
        try:
            with joined(0, count, meeting, device) as ranks:
                yield ranks
            for process in others:
                process.join(END_SECONDS)
        finally:
            for process in others:
                process.kill()
                process.join()


def run_rank(rank: int, count: int, meeting: Path, device: str, follow: Follow) -> None:
    """Be one of the other ranks."""
    with joined(rank, count, meeting, device) as ranks:
        follow(ranks, device_of(rank, count, device))
