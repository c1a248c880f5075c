"""Ray as an executor: actors do the jobs of a plan, the store holds the truth.

The only file that imports ray. An actor that dies is replaced and its job tried once more.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError

from harness.config import ComputeConfig, Config
from harness.errors import UserError
from harness.state import Job, Key
from harness.threads import limit_threads
from harness.worker import Outcome, Worker

ATTEMPTS = 2
WATCH_SECONDS = 0.5
REACH_SECONDS = 5.0


class Actor:
    """A worker in an actor; `watch` answers while a job runs."""

    def __init__(self, config: Config, store: Path, threads: int) -> None:
        self.worker = Worker(config, store, threads)

    def do(self, kind: str, identity: str) -> Outcome:
        """Do one job."""
        return self.worker.do(kind, identity)

    @ray.method(concurrency_group="watch")
    def watch(self) -> tuple[int, int, float | None]:
        """Return the progress of the job under way."""
        return self.worker.progress


@dataclass
class Slot:
    """One actor and what it is doing."""

    actor: Any
    job: Job | None = None
    result: Any = None


@dataclass
class Watcher:
    """Callbacks of a display; `tick` gets (job, (step, steps, loss)) of every running job."""

    started: Callable[[Job], None]
    ended: Callable[[Job, Outcome], None]
    tick: Callable[[Sequence[tuple[Job, tuple[int, int, float | None]]]], None]


@contextmanager
def session(address: str | None, compute: ComputeConfig) -> Iterator[None]:
    """Start Ray here, or join the cluster at `address`; stop or leave it at the end.

    Raises UserError if there is no cluster at the address, or it is smaller than asked.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address not in (None, "auto"):
        check_reachable(str(address))
    local: dict[str, Any] = {
        "num_cpus": compute.workers * compute.cpus_per_worker,
        "include_dashboard": False,
        "object_store_memory": 100 * 2**20,  # no audio goes through it
    }
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else local),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise no_cluster(address or "this machine", error) from error
    try:
        check_resources(compute)
        yield
    finally:
        ray.shutdown()


def check_reachable(address: str) -> None:
    """Raise UserError unless something listens there; Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise no_cluster(address, error) from error


def no_cluster(place: str, error: Exception) -> UserError:
    """Return the error of a cluster that cannot be joined or started."""
    return UserError(
        f"no Ray cluster at {place} ({error}); start one with `ray start --head`, or leave out "
        "--address"
    )


def check_resources(compute: ComputeConfig) -> None:
    """Raise UserError if one worker needs more than the cluster has."""
    have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    for name, need in (("CPU", compute.cpus_per_worker), ("GPU", compute.gpus_per_worker)):
        if need > have.get(name, 0):
            raise UserError(
                f"compute: a worker needs {need} {name}, the cluster has "
                f"{have.get(name, 0):g}; change compute or the cluster"
            )


def start_actor(config: Config, store: Path) -> Slot:
    """Start one actor with its CPU and GPU share."""
    compute = config.compute
    options = {
        "num_cpus": compute.cpus_per_worker,
        "num_gpus": compute.gpus_per_worker,
        "runtime_env": {"env_vars": limit_threads(compute.cpus_per_worker)},
    }
    remote: Any = ray.remote(concurrency_groups={"watch": 1})(Actor)  # type: ignore[call-overload]
    return Slot(remote.options(**options).remote(config, store, compute.cpus_per_worker))


@dataclass
class Executor:
    """Runs jobs on a fixed number of actors, each job when all it needs has ended well."""

    config: Config
    store: Path
    watcher: Watcher
    done: set[Key] = field(default_factory=set)
    failed: dict[Key, Outcome] = field(default_factory=dict)
    attempts: dict[Key, int] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job]) -> dict[Key, Outcome]:
        """Run jobs and return the failures; what needed a failed job is not run."""
        waiting = sorted(jobs, key=lambda job: job.rank)
        slots = [start_actor(self.config, self.store) for _ in range(self.config.compute.workers)]
        while True:
            waiting = self.drop_blocked(waiting)
            for slot in slots:
                if slot.job is None:
                    self.assign(slot, waiting)
            busy = [slot for slot in slots if slot.job is not None]
            if not busy:
                for job in waiting:
                    self.failed[job.key] = Outcome("not run: something it needs was not planned")
                    self.watcher.ended(job, self.failed[job.key])
                return self.failed
            ready, _ = ray.wait([slot.result for slot in busy], timeout=WATCH_SECONDS)
            for slot in busy:
                if slot.result in ready:
                    self.collect(slot, waiting)
            self.watcher.tick(self.observe([slot for slot in slots if slot.job is not None]))

    def assign(self, slot: Slot, waiting: list[Job]) -> None:
        """Give an idle actor the first job that is ready."""
        for job in waiting:
            if job.needs <= self.done:
                waiting.remove(job)
                slot.job, slot.result = job, slot.actor.do.remote(job.kind, job.id)
                self.watcher.started(job)
                return

    def collect(self, slot: Slot, waiting: list[Job]) -> None:
        """Take a finished job's outcome; replace a dead actor and try its job once more."""
        job, slot.job = slot.job, None
        assert job is not None
        try:
            outcome: Outcome = ray.get(slot.result)
        except RayActorError as error:
            slot.actor = start_actor(self.config, self.store).actor
            self.attempts[job.key] = self.attempts.get(job.key, 1) + 1
            if self.attempts[job.key] <= ATTEMPTS:
                waiting.insert(0, job)
                return
            outcome = Outcome(f"the worker died {ATTEMPTS} times: {str(error).splitlines()[0]}")
        if outcome.error is None:
            self.done.add(job.key)
        else:
            self.failed[job.key] = outcome
        self.watcher.ended(job, outcome)

    def drop_blocked(self, waiting: list[Job]) -> list[Job]:
        """Fail the jobs that need a failed one."""
        kept = []
        for job in waiting:
            if job.needs & self.failed.keys():
                self.failed[job.key] = Outcome("not run: something it needs failed")
                self.watcher.ended(job, self.failed[job.key])
            else:
                kept.append(job)
        return kept

    def observe(self, busy: Sequence[Slot]) -> list[tuple[Job, tuple[int, int, float | None]]]:
        """Return the progress of running jobs whose actors answer in time."""
        asked = {slot.actor.watch.remote(): slot for slot in busy}
        answered, _ = (
            ray.wait(list(asked), num_returns=len(asked), timeout=WATCH_SECONDS)
            if asked
            else ([], [])
        )
        seen = []
        for reference in answered:
            job = asked[reference].job
            try:
                if job is not None:
                    seen.append((job, ray.get(reference)))
            except RayActorError:
                continue  # its job's result carries the same error, and is dealt with there
        return seen
