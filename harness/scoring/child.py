"""A scoring process: hears tasks, and never outlives its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from harness.scoring.messages import Ended, Task, Unavailable
from harness.scoring.scorer import Scorer
from metrics.base import MetricUnavailable

PARENT_SECONDS = 2.0
PR_SET_PDEATHSIG = 1  # prctl(2)


def serve(connection: Connection, folder: Path | None, parent: int) -> None:
    """Be a scoring process: do tasks until the parent hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to deal with
    die_with(parent)
    scorer = Scorer(folder, connection.send)
    while True:
        try:
            task: Task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            scorer.do(task)
            connection.send(Ended())
        except MetricUnavailable as error:
            connection.send(Unavailable(str(error)))
        except BrokenPipeError:
            return


def die_with(parent: int) -> None:
    """End this process when its parent ends: one that is killed cannot see to it."""
    if sys.platform == "linux":  # also where a metric hangs in C and no thread gets its turn
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=watch, args=(parent,), daemon=True).start()


def watch(parent: int) -> None:
    """Wait for the parent to be gone."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)
