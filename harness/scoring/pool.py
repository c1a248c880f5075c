"""Scoring processes of one thread each, replaced when one hangs or is killed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

from harness.scoring.items import Spec, missing
from harness.scoring.messages import Begins, Ended, Message, Scored, Task, Unavailable
from harness.scoring.processes import LOAD_SECONDS, Slot, ended, start
from metrics.base import MetricUnavailable

ITEM_SECONDS = 300.0


@dataclass
class Pool:
    """Processes that score; `item_seconds` is the longest one metric may take for one utterance.

    `folder` keeps what is computed of references. Use as a context: the processes end with it.
    A metric that hangs or kills its process while it is loaded is not tried again by this pool.
    """

    processes: int
    folder: Path | None = None
    item_seconds: float = ITEM_SECONDS
    slots: list[Slot] = field(default_factory=list)
    unloadable: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process; the next task starts new ones."""
        for slot in self.slots:
            slot.end()
        self.slots.clear()

    def check(self, specs: Sequence[Spec]) -> None:
        """Load every metric once. Raises MetricUnavailable for the first that cannot be."""
        for _ in self.run(iter([Task((), tuple(specs))])):
            pass
        for spec in specs:
            if repr(spec) in self.unloadable:
                raise MetricUnavailable(self.unloadable[repr(spec)])

    def run(self, tasks: Iterator[Task]) -> Iterator[Scored]:
        """Do tasks, a bounded number at a time, and yield each metric's rows as they come.

        A metric that takes too long, or whose process is killed, leaves rows with that reason;
        utterances that were scored together are then scored one by one.

        Raises:
            MetricUnavailable: a metric's package or model is absent.
        """
        again: deque[Task] = deque()
        try:
            while True:
                yield from self._hand_out(tasks, again)
                busy = [slot for slot in self.slots if slot.task]
                if not busy:
                    return
                for slot in self._wait(busy):
                    yield from self._hear(slot, again)
        except BaseException:
            self.close()  # what is under way belongs to nobody now
            raise

    def _hand_out(self, tasks: Iterator[Task], again: deque[Task]) -> Iterator[Scored]:
        """Give every idle process a task; processes start as they are needed."""
        for number in range(self.processes):
            while number >= len(self.slots) or self.slots[number].task is None:
                task = again.popleft() if again else next(tasks, None)
                if task is None:
                    return
                possible = tuple(s for s in task.specs if repr(s) not in self.unloadable)
                for spec in task.specs:
                    if spec not in possible:
                        yield given_up(task, spec, self.unloadable[repr(spec)])
                if possible:
                    self._give(number, Task(task.items, possible))

    def _give(self, number: int, task: Task) -> None:
        if number >= len(self.slots):
            self.slots.append(start(self.folder))
        try:
            self.slots[number].give(task)
        except OSError:  # it was killed while it had nothing to do
            self._renew(self.slots[number])
            self.slots[number].give(task)

    def _renew(self, slot: Slot) -> None:
        self.slots[self.slots.index(slot)] = start(self.folder)
        slot.end()

    def _wait(self, busy: Sequence[Slot]) -> list[Slot]:
        """Return the processes that have something to say, or are late."""
        left = min(slot.deadline for slot in busy) - time.monotonic()
        ready = wait([slot.connection for slot in busy], timeout=max(0.0, left))
        now = time.monotonic()
        return [slot for slot in busy if slot.connection in ready or slot.deadline < now]

    def _hear(self, slot: Slot, again: deque[Task]) -> Iterator[Scored]:
        """Take one message of a process, or its silence."""
        if not slot.connection.poll():
            limit = self._limit(slot.begun)
            yield from self._replace(slot, again, f"took longer than {limit:.0f} s and was stopped")
            return
        try:
            message: Message = slot.connection.recv()
        except (EOFError, OSError):  # OSError: it was killed in the middle of a message
            slot.process.join(1.0)
            yield from self._replace(slot, again, ended(slot.process.exitcode))
            return
        if isinstance(message, Unavailable):
            raise MetricUnavailable(message.message)
        if isinstance(message, Ended):
            slot.task, slot.deadline = None, float("inf")
        elif isinstance(message, Begins):
            slot.begun = message
            slot.deadline = time.monotonic() + self._limit(message)
        else:
            slot.done, slot.begun = slot.done + 1, None
            slot.deadline = time.monotonic() + LOAD_SECONDS
            yield message

    def _limit(self, begun: Begins | None) -> float:
        return self.item_seconds * begun.items if begun and begun.items else LOAD_SECONDS

    def _replace(self, slot: Slot, again: deque[Task], reason: str) -> Iterator[Scored]:
        """Start a new process, and deal with what the old one left."""
        task, done, begun = slot.task, slot.done, slot.begun
        assert task is not None
        self._renew(slot)
        if done == len(task.specs):
            return  # every row had come
        spec, rest = task.specs[done], task.specs[done + 1 :]
        if rest:
            again.append(Task(task.items, rest))
        reason = f"{spec.build().facts.name} {reason}"
        if begun and begun.loading:
            self.unloadable[repr(spec)] = f"{reason} while it was loaded"
            again.append(Task(task.items, (spec,)))
        elif len(task.items) > 1:
            again.extend(Task((item,), (spec,)) for item in task.items)
        else:
            yield given_up(task, spec, reason)


def given_up(task: Task, spec: Spec, reason: str) -> Scored:
    """Return the rows of what cannot be scored."""
    name = spec.build().facts.name
    return Scored(name, tuple(missing(item, name, reason) for item in task.items), 0.0)
