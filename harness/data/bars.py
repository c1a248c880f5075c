"""Progress bars of downloads."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from harness.data.download import Report


def progress_bars(console: Console | None = None) -> Progress:
    """Return bars that show bytes and speed, on standard error unless told otherwise."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console or Console(stderr=True),
    )


def reporter(progress: Progress, label: str) -> Report:
    """Return a callback that moves a bar of its own."""
    task = progress.add_task(label, total=None)
    return lambda done, total: progress.update(task, completed=done, total=total)
