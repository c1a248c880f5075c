"""A bounded cache for what a metric computed of an utterance, by its content."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LRU(Generic[K, V]):
    """Keeps the `capacity` most recently used values. Not thread-safe: one per worker."""

    def __init__(self, capacity: int) -> None:
        """Start empty; `capacity` is the number of values kept, at least 1."""
        self._capacity = capacity
        self._values: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of values held."""
        return len(self._values)

    def get(self, key: K, compute: Callable[[], V]) -> V:
        """Return the value of `key`, computed if it is not held; errors are not remembered."""
        if key not in self._values:
            self._values[key] = compute()
            if len(self._values) > self._capacity:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]
