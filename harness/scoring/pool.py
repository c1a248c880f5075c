"""Scoring processes of one thread each, replaced when one hangs or is killed."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from harness.scoring.items import Spec, missing
from harness.scoring.scorer import Begins, Ended, Message, Scored, Task, Unavailable, serve
from harness.threads import limit_threads
from metrics.base import MetricUnavailable

LOAD_SECONDS = 900.0
END_SECONDS = 5.0
ITEM_SECONDS = 300.0


@dataclass
class Slot:
    """One process, the task it has, and which of the task's metrics are done."""

    process: Any
    connection: Connection
    task: Task | None = None
    done: int = 0
    begun: Begins | None = None
    deadline: float = float("inf")


@dataclass
class Pool:
    """Processes that score; `item_seconds` is the longest one metric may take for one utterance.

    `folder` keeps what is computed of references. Use as a context: the processes end with it.
    """

    processes: int
    folder: Path | None = None
    item_seconds: float = ITEM_SECONDS
    slots: list[Slot] = field(default_factory=list)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

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
                self._hand_out(tasks, again)
                busy = [slot for slot in self.slots if slot.task]
                if not busy:
                    return
                for slot in self._wait(busy):
                    yield from self._hear(slot, again)
        except BaseException:
            self.close()  # what is under way belongs to nobody now
            raise

    def check(self, specs: Sequence[Spec]) -> None:
        """Load every metric once, to say at once what is absent. Raises MetricUnavailable."""
        for _ in self.run(iter([Task((), tuple(specs))])):
            pass

    def close(self) -> None:
        """End every process."""
        for slot in self.slots:
            slot.connection.close()
            if slot.task:
                slot.process.kill()
            slot.process.join(END_SECONDS)
            slot.process.kill()
        self.slots.clear()

    def _hand_out(self, tasks: Iterator[Task], again: deque[Task]) -> None:
        """Give every idle process a task; processes start as they are needed."""
        for number in range(self.processes):
            idle = number >= len(self.slots) or self.slots[number].task is None
            task = (again.popleft() if again else next(tasks, None)) if idle else None
            if task is None:
                continue
            if number >= len(self.slots):
                self.slots.append(start(self.folder))
            self._assign(number, task)

    def _assign(self, number: int, task: Task) -> None:
        try:
            self.slots[number].connection.send(task)
        except (BrokenPipeError, ConnectionResetError):  # it was killed while it had nothing to do
            self.slots[number] = start(self.folder)
            self.slots[number].connection.send(task)
        slot = self.slots[number]
        slot.task, slot.done, slot.begun = task, 0, None
        slot.deadline = time.monotonic() + LOAD_SECONDS

    def _wait(self, busy: Sequence[Slot]) -> list[Slot]:
        """Return the processes that have something to say, or are late."""
        left = min(slot.deadline for slot in busy) - time.monotonic()
        ready = wait([slot.connection for slot in busy], timeout=max(0.0, left))
        now = time.monotonic()
        return [slot for slot in busy if slot.connection in ready or slot.deadline < now]

    def _hear(self, slot: Slot, again: deque[Task]) -> Iterator[Scored]:
        """Take one message of a process, or its silence."""
        if not slot.connection.poll():
            yield from self._replace(slot, again, "took longer than {limit:.0f} s and was stopped")
            return
        try:
            message: Message = slot.connection.recv()
        except (EOFError, ConnectionResetError):
            slot.process.join(END_SECONDS)
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
            slot.done += 1
            slot.deadline = time.monotonic() + LOAD_SECONDS
            yield message

    def _limit(self, begun: Begins | None) -> float:
        return self.item_seconds * begun.items if begun and begun.items else LOAD_SECONDS

    def _replace(self, slot: Slot, again: deque[Task], reason: str) -> Iterator[Scored]:
        """Start a new process, and deal with what the old one left."""
        task, done, begun = slot.task, slot.done, slot.begun
        assert task is not None
        slot.process.kill()
        slot.process.join()
        slot.connection.close()
        self.slots[self.slots.index(slot)] = start(self.folder)
        spec, rest = task.specs[done], task.specs[done + 1 :]
        if rest:
            again.append(Task(task.items, rest))
        if len(task.items) > 1 and begun and begun.items:
            again.extend(Task((item,), (spec,)) for item in task.items)
            return
        name = spec.build().facts.name
        reason = f"{name} {reason.format(limit=self._limit(begun))}"
        yield Scored(name, tuple(missing(item, name, reason) for item in task.items), 0.0)


def ended(code: int | None) -> str:
    """Say how a process ended that should not have."""
    if code is not None and code < 0:
        return f"was killed by signal {-code} (9 is mostly for want of memory)"
    return f"ended its process with exit code {code}"


def start(folder: Path | None) -> Slot:
    """Start one process, held to one thread."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, folder), daemon=True)
    with environment(limit_threads(1)):
        process.start()
    there.close()
    return Slot(process, here)


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for what is started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
