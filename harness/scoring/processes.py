"""Start and end one scoring process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from harness.scoring.child import serve
from harness.scoring.messages import Begins, Task
from harness.threads import limit_threads

END_SECONDS = 5.0
LOAD_SECONDS = 900.0


@dataclass
class Slot:
    """One process, the task it has, and which of the task's metrics are done."""

    process: Any
    connection: Connection
    task: Task | None = None
    done: int = 0
    begun: Begins | None = None
    deadline: float = float("inf")

    def give(self, task: Task) -> None:
        """Send a task. Raises OSError if the process has gone."""
        self.connection.send(task)
        self.task, self.done, self.begun = task, 0, None
        self.deadline = time.monotonic() + LOAD_SECONDS

    def end(self) -> None:
        """End the process: at once if it works on something, else as soon as it hears of it."""
        self.connection.close()
        if not self.task:
            self.process.join(END_SECONDS)
        self.process.kill()
        self.process.join()


def start(folder: Path | None) -> Slot:
    """Start one process, held to one thread; `folder` keeps the references' side."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, folder, os.getpid()), daemon=True)
    with environment(limit_threads(1)):
        process.start()
    there.close()
    return Slot(process, here)


def ended(code: int | None) -> str:
    """Say how a process ended that should not have."""
    if code is not None and code < 0:
        return f"was killed by signal {-code} (9 is mostly for want of memory)"
    return f"ended its process with exit code {code}"


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
