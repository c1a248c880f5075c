"""`resynth plan`: the work of a configuration, what of it is done, and what it will cost."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.commands.output import print_json, print_table
from harness.commands.plan_costs import print_costs, print_forecast
from harness.commands.running import find_config
from harness.config import Config, load_config
from harness.costs import Costs, costs
from harness.errors import UserError
from harness.latents.forecast import Forecast, forecast
from harness.nominal import absent, nominal_plan
from harness.plan import Plan, system_name
from harness.planner import make_plan
from harness.state import State, list_jobs, read_state
from harness.store import Store

MOST_HOURS = 1e9  # beyond any corpus, and all that is computed of it stays finite


def plan(options: Namespace) -> int:
    """Print a configuration's work, what is done already, and what it will cost."""
    check_hours(options.hours)
    config = load_config(find_config(options.config))
    root = Path(options.store or config.store)
    store = Store.open(root) if (root / "store.json").exists() else None
    lacking = absent(config) if config.corpus.nominal else []
    show = plan_nominally if lacking else plan_in_full
    show(config, store, options, lacking)
    return 0


def plan_in_full(
    config: Config, store: Store | None, options: Namespace, lacking: Sequence[str]
) -> None:
    """Print the plan of audio and weights that are here."""
    found = make_plan(config)
    state = read_state(found, store)
    caches, cost = forecast(found, store, options.hours), costs(found, store)
    if options.json:
        print_json(describe(found, state) | describe_costs(caches, cost))
    else:
        print_plan(found, state)
        print_forecast(caches)
        print_costs(cost)


def plan_nominally(
    config: Config, store: Store | None, options: Namespace, lacking: Sequence[str]
) -> None:
    """Print what the nominal hours cost, and what is lacking."""
    nominal = config.corpus.nominal
    assert nominal is not None
    found = nominal_plan(config, nominal)
    caches = forecast(found, store, options.hours or nominal.hours)
    cost = costs(found, store)
    if options.json:
        print_json({"name": config.name, "absent": lacking} | describe_costs(caches, cost))
        return
    print(f"{config.name}: {config.title}")
    print(
        f"not on this machine: {', '.join(lacking)}; costs are of the hours that corpus.nominal "
        "states, and ids and jobs are not listed"
    )
    print_forecast(caches)
    print_costs(cost)


def check_hours(hours: float | None) -> None:
    """Raise UserError unless so many hours of audio can be sized."""
    if hours is not None and not 0 < hours <= MOST_HOURS:
        raise UserError(f"--hours {hours:g}: choose a number above 0, at most {MOST_HOURS:g}")


def describe_costs(caches: Sequence[Forecast], cost: Costs) -> dict[str, Any]:
    """Return what a plan costs as JSON values."""
    return {"latents": [cache.as_dict() for cache in caches], "costs": cost.as_dict()}


def describe(plan: Plan, state: State) -> dict[str, Any]:
    """Return a plan and its state as JSON values."""
    return {
        "name": plan.config.name,
        "codecs": [codec.facts.model_dump(mode="json") for codec in plan.codecs],
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
                "checkpoint": e.checkpoint,
                "nfe": e.nfe,
                "layers": e.layers,
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
            e.checkpoint or "-",
            e.nfe,
            e.split,
            mark(e.id in state.evaluations),
            f"{sum(scores[e.id])}/{len(scores[e.id])}",
        )
        for e in plan.evaluations
    ]
    head = ("evaluation", "codec", "method", "data", "weights", "nfe", "split", "state", "scores")
    print_table(head, rows)
    jobs = len(list_jobs(plan, state))
    print(
        f"\n{len(plan.trials)} trials, {len(plan.evaluations)} evaluations, "
        f"{len(plan.scorings)} scores; {jobs} jobs left"
        if jobs
        else "\neverything is done"
    )


def mark(done: bool) -> str:
    """Say done or to do."""
    return "done" if done else "to do"
