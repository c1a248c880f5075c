"""Batches made ahead of the training loop, in a thread, and the time the loop waits for them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Makes items `first` to `last` in order, at most `ahead` in advance.

    `stalled` is the seconds that `next` has waited. An error in the making is raised by `next`.
    """

    def __init__(self, make: Callable[[int], T], first: int, last: int, ahead: int) -> None:
        self.make, self.numbers = make, range(first, last + 1)
        self.ready: queue.Queue[T | Exception] = queue.Queue(maxsize=ahead)
        self.stop = threading.Event()
        self.stalled = 0.0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def next(self) -> T:
        """Return the next item."""
        started = time.perf_counter()
        item = self.ready.get()
        self.stalled += time.perf_counter() - started
        if isinstance(item, Exception):
            raise item
        return item

    def _run(self) -> None:
        for number in self.numbers:
            try:
                item: T | Exception = self.make(number)
            except Exception as error:  # handed to the loop, which raises it
                item = error
            while not self.stop.is_set():
                try:
                    self.ready.put(item, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if self.stop.is_set() or isinstance(item, Exception):
                return


@contextmanager
def prefetching(
    make: Callable[[int], T], first: int, last: int, ahead: int
) -> Iterator[Prefetcher[T]]:
    """Run a prefetcher; its thread has ended when the context has."""
    prefetcher = Prefetcher(make, first, last, ahead)
    prefetcher.thread.start()
    try:
        yield prefetcher
    finally:
        prefetcher.stop.set()
        prefetcher.thread.join()
