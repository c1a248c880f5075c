"""Show a run's progress: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from harness.cluster import Watcher
from harness.state import Job
from harness.worker import Outcome

Progress = tuple[int, int, float | None]
PLAIN_SECONDS = 15.0


class Display:
    """Counts jobs by kind, shows the running ones with step, loss and time left."""

    def __init__(self, jobs: Sequence[Job], console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr)
        self.total = Counter(job.kind for job in jobs)
        self.ended: Counter[str] = Counter()
        self.failures = 0
        self.since: dict[tuple[str, str], float] = {}
        self.started, self.last_line = time.monotonic(), time.monotonic()
        self.live = (
            Live(console=self.console, refresh_per_second=4) if self.console.is_terminal else None
        )

    def __enter__(self) -> Display:
        """Start the live table where there is a terminal."""
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the live table."""
        if self.live:
            self.live.stop()

    @property
    def watcher(self) -> Watcher:
        """The callbacks an executor needs."""
        return Watcher(self.on_start, self.on_end, self.on_tick)

    def on_start(self, job: Job) -> None:
        """Note a job's start."""
        self.since[job.key] = time.monotonic()

    def on_end(self, job: Job, outcome: Outcome) -> None:
        """Count a job's end; say failures at once."""
        self.ended[job.kind] += 1
        self.failures += outcome.error is not None
        seconds = time.monotonic() - self.since.get(job.key, time.monotonic())
        if outcome.error is not None:
            self.console.print(f"failed: {job.title}: {outcome.error}", style="red", markup=False)
        elif not self.live:
            self.console.print(
                f"done: {job.title} ({seconds:.1f} s)", markup=False, highlight=False
            )

    def on_tick(self, running: Sequence[tuple[Job, Progress]]) -> None:
        """Redraw, or print a line every few seconds."""
        if self.live:
            self.live.update(self.table(running))
        elif time.monotonic() - self.last_line > PLAIN_SECONDS:
            self.last_line = time.monotonic()
            for job, progress in running:
                self.console.print(
                    f"  {job.title}: {self.describe(job, progress)}", markup=False, highlight=False
                )
            self.console.print(self.summary(), markup=False, highlight=False)

    def summary(self) -> str:
        """Return the counts and the time left at the pace so far."""
        parts = [f"{kind} {self.ended[kind]}/{count}" for kind, count in self.total.items()]
        done, all_jobs = sum(self.ended.values()), sum(self.total.values())
        spent = time.monotonic() - self.started
        left = f", about {spent / done * (all_jobs - done) / 60:.1f} min left" if done else ""
        return f"{', '.join(parts)}; failed {self.failures}; {spent / 60:.1f} min{left}"

    def describe(self, job: Job, progress: Progress) -> str:
        """Return step, loss and time left of one running job."""
        step, steps, loss = progress
        if not steps:
            return "starting"
        spent = time.monotonic() - self.since[job.key]
        left = f", {spent / step * (steps - step):.0f} s left" if step else ""
        return f"{step}/{steps}" + (f", loss {loss:.4f}" if loss is not None else "") + left

    def table(self, running: Sequence[tuple[Job, Progress]]) -> Table:
        """Return the live table."""
        table = Table(caption=self.summary(), expand=False)
        for column in ("running", "progress"):
            table.add_column(column)
        for job, progress in running:
            table.add_row(job.title, self.describe(job, progress))
        return table
