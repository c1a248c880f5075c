"""Run a configuration: plan, do what is missing through Ray, publish."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config import Config
from harness.errors import UserError, WorkFailed
from harness.plan import Plan
from harness.planner import make_plan
from harness.records import RunRecord, Selection
from harness.state import Job, Key, list_jobs, missing_rows, read_state
from harness.store import Store
from harness.worker import Outcome


@dataclass(frozen=True)
class RunReport:
    """What a run did."""

    jobs: int
    seconds: float


def run(config: Config, store_root: Path, site: Path | None, address: str | None) -> RunReport:
    """Execute a configuration and publish its pages.

    Raises UserError for bad input, WorkFailed if work failed or scores are missing. What was
    finished stays in the store either way.
    """
    plan, started = make_plan(config), time.monotonic()
    store = Store.create(store_root)
    with store.lock():
        jobs = list_jobs(plan, read_state(plan, store))
        failures = execute(plan, store, jobs, address) if jobs else {}
        store.replace(run_record(plan))
    if site is not None:
        publish(store, site)
    raise_failures(plan, store, jobs, failures)
    return RunReport(len(jobs), time.monotonic() - started)


def execute(
    plan: Plan, store: Store, jobs: Sequence[Job], address: str | None
) -> Mapping[Key, Outcome]:
    """Do the jobs on Ray actors and return the failures, their traces kept in the store's logs."""
    from harness.cluster import Executor, session
    from harness.progress import Display

    with session(address, plan.config.compute), Display(jobs) as display:
        executor = Executor(plan.config, store.root.resolve(), display.watcher)
        failures = executor.run(jobs)
    for (kind, identity), outcome in failures.items():
        if outcome.trace:
            logs = store.root / "logs"
            logs.mkdir(exist_ok=True)
            (logs / f"{kind}-{identity}.txt").write_text(outcome.trace)
    return failures


def publish(store: Store, site: Path) -> None:
    """Build the site."""
    from leaderboard.render import publish as build

    build(store, site)


def run_record(plan: Plan) -> RunRecord:
    """Describe what this configuration asks for: exactly what its pages show."""
    chosen = plan.config.selection
    return RunRecord(
        id=plan.config.name,
        title=plan.config.title,
        config=plan.config.model_dump(mode="json"),
        evaluations=tuple(e.id for e in plan.evaluations),
        scores=tuple(s.id for s in plan.scorings),
        selection=Selection(metric=chosen.metric, split=chosen.split) if chosen else None,
    )


def raise_failures(
    plan: Plan, store: Store, jobs: Sequence[Job], failures: Mapping[Key, Outcome]
) -> None:
    """Raise UserError or WorkFailed with a summary, if anything failed or is missing."""
    for outcome in failures.values():
        if outcome.user_error:
            raise UserError(str(outcome.error))
    titles = {job.key: job.title for job in jobs}
    lines = [f"{titles[key]}: {outcome.error}" for key, outcome in failures.items()]
    absent = {
        s.id: s for s in plan.scorings if store.has("scores", s.id) and missing_rows(store, s.id)
    }
    lines += [
        f"{scoring.metric}: {missing_rows(store, key)} scores missing in {key}"
        for key, scoring in absent.items()
    ]
    if lines:
        shown = "\n  ".join(lines[:10])
        raise WorkFailed(
            f"{len(lines)} pieces of work failed or are missing:\n  {shown}\n"
            f"rerun the same command to retry them; traces are in {store.root / 'logs'}"
        )
