"""`resynth plan`, `run` and `publish`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.commands.output import print_json, print_table
from harness.config import CONFIGS, Config, load_config
from harness.errors import UserError
from harness.latents.forecast import Forecast, forecast
from harness.plan import Plan, system_name
from harness.planner import make_plan
from harness.state import State, list_jobs, read_state
from harness.store import Store

MOST_HOURS = 1e9  # beyond any corpus, and all that is computed of it stays finite
UNITS = {"B": 0, "kB": 1, "MB": 2, "GB": 3, "TB": 4}


def find_config(name: str) -> Path:
    """Return a configuration's path: a file as given, or one that ships with the project."""
    given = Path(name)
    shipped = CONFIGS / given.with_suffix(".yaml").name
    return shipped if not given.exists() and shipped.exists() else given


def plan(options: Namespace) -> int:
    """Print a configuration's work and what is done already."""
    check_hours(options.hours)
    config = load_config(find_config(options.config))
    found = make_plan(config)
    root = Path(options.store or config.store)
    store = Store.open(root) if (root / "store.json").exists() else None
    state = read_state(found, store)
    caches = forecast(found, store, options.hours)
    if options.json:
        print_json(describe(found, state, caches))
    else:
        print_plan(found, state)
        print_forecast(caches)
    return 0


def check_hours(hours: float | None) -> None:
    """Raise UserError unless so many hours of audio can be sized."""
    if hours is not None and not 0 < hours <= MOST_HOURS:
        raise UserError(f"--hours {hours:g}: choose a number above 0, at most {MOST_HOURS:g}")


def describe(plan: Plan, state: State, caches: Sequence[Forecast]) -> dict[str, Any]:
    """Return a plan and its state as JSON values."""
    return {
        "name": plan.config.name,
        "codecs": [codec.facts.model_dump(mode="json") for codec in plan.codecs],
        "latents": [cache.as_dict() for cache in caches],
        "trials": [
            {
                "id": t.id,
                "codec": t.codec.facts.name,
                "method": system_name(t.method),
                "data_size": t.size.model_dump(),
                "seed": t.seed,
                "done": t.id in state.trials,
            }
            for t in plan.trials
        ],
        "evaluations": [
            {
                "id": e.id,
                "codec": e.codec.facts.name,
                "method": system_name(e.method),
                "trial": e.trial.id if e.trial else None,
                "nfe": e.nfe,
                "sample": e.sample,
                "split": e.split,
                "done": e.id in state.evaluations,
            }
            for e in plan.evaluations
        ],
        "scores": [
            {
                "id": s.id,
                "evaluation": s.evaluation,
                "metric": s.metric,
                "utterances": len(s.utterances),
                "done": s.id in state.scores,
            }
            for s in plan.scorings
        ],
        "jobs_left": len(list_jobs(plan, state)),
    }


def print_plan(plan: Plan, state: State) -> None:
    """Print a plan as tables."""
    print(f"{plan.config.name}: {plan.config.title}")
    for codec in plan.codecs:
        print(f"codec {codec.facts.name}, {codec.facts.bit_rate / 1000:g} kb/s")
    print()
    trials = [
        (
            t.id,
            t.codec.facts.name,
            system_name(t.method),
            t.size.label,
            f"{t.size.hours:.3f} h",
            t.seed,
            mark(t.id in state.trials),
        )
        for t in plan.trials
    ]
    print_table(("trial", "codec", "method", "data", "hours", "seed", "state"), trials)
    print()
    scores: dict[str, list[bool]] = {}
    for scoring in plan.scorings:
        scores.setdefault(scoring.evaluation, []).append(scoring.id in state.scores)
    rows = [
        (
            e.id,
            e.codec.facts.name,
            system_name(e.method),
            e.trial.size.label if e.trial else "-",
            e.nfe,
            e.split,
            mark(e.id in state.evaluations),
            f"{sum(scores[e.id])}/{len(scores[e.id])}",
        )
        for e in plan.evaluations
    ]
    print_table(("evaluation", "codec", "method", "data", "nfe", "split", "state", "scores"), rows)
    jobs = len(list_jobs(plan, state))
    print(
        f"\n{len(plan.trials)} trials, {len(plan.evaluations)} evaluations, "
        f"{len(plan.scorings)} scores; {jobs} jobs left"
        if jobs
        else "\neverything is done"
    )


def print_forecast(caches: Sequence[Forecast]) -> None:
    """Print what the latent caches take on disk and to encode, beside what they did take."""
    rows = [
        (
            cache.codec,
            f"{cache.hours:,.3g} h",
            cache.shards,
            size_text(cache.bytes),
            "unknown" if cache.seconds is None else f"{time_text(cache.seconds)} ({cache.basis})",
            f"{cache.finished}",
            f"{size_text(cache.measured_bytes)} ({size_text(cache.finished_bytes)} expected)",
            time_text(cache.measured_seconds),
        )
        for cache in caches
    ]
    print()
    head = ("latents", "audio", "shards", "disk", "encoding", "finished", "took", "encoded in")
    print_table(head, rows)


def size_text(count: float) -> str:
    """Return bytes in a unit people read."""
    unit = next((u for u in ("B", "kB", "MB", "GB") if abs(count) < 1000 ** (UNITS[u] + 1)), "TB")
    return f"{count / 1000 ** UNITS[unit]:.3g} {unit}"


def time_text(seconds: float) -> str:
    """Return seconds in a unit people read."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def mark(done: bool) -> str:
    """Say done or to do."""
    return "done" if done else "to do"


def run(options: Namespace) -> int:
    """Execute a configuration."""
    from harness.run import run as execute

    config: Config = load_config(find_config(options.config))
    site = Path(options.site or config.site)
    report = execute(config, Path(options.store or config.store), site, options.address)
    work = (
        f"{report.jobs} jobs in {report.seconds / 60:.1f} min"
        if report.jobs
        else "nothing was left to do"
    )
    print(f"{config.name}: {work}; open {site / 'index.html'}")
    return 0


def publish(options: Namespace) -> int:
    """Build the site from a store."""
    from leaderboard.render import publish as build

    build(Store.open(Path(options.store)), Path(options.out))
    print(f"open {Path(options.out) / 'index.html'}")
    return 0
