"""What of a plan is done: a set difference between ids planned and ids finished."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

from harness.plan import Evaluation, Plan, Scoring
from harness.store import Store

Key = tuple[str, str]


@dataclass(frozen=True)
class Job:
    """A piece of work: its kind and id, what has to be finished first, and how long it may take.

    `rank` orders jobs that are ready: lower first, the expensive before the cheap.
    """

    kind: str
    id: str
    title: str
    needs: frozenset[Key]
    rank: int

    @property
    def key(self) -> Key:
        """Return kind and id."""
        return self.kind, self.id


@dataclass(frozen=True)
class State:
    """Ids finished in a store, by kind; scores with missing rows are not finished."""

    trials: frozenset[str]
    evaluations: frozenset[str]
    references: frozenset[str]
    latents: frozenset[str]
    scores: frozenset[str]
    incomplete_scores: frozenset[str]


def read_state(plan: Plan, store: Store | None) -> State:
    """Return what is finished; without a store, nothing is."""
    if store is None:
        return State(*[frozenset[str]()] * 6)
    scores = store.finished("scores") & {scoring.id for scoring in plan.scorings}
    incomplete = {identity for identity in scores if missing_rows(store, identity)}
    trials, evaluations, references, latents = (
        frozenset(store.finished(kind))
        for kind in ("trials", "evaluations", "references", "latents")
    )
    done = frozenset(scores - incomplete)
    return State(trials, evaluations, references, latents, done, frozenset(incomplete))


def missing_rows(store: Store, identity: str) -> int:
    """Return how many rows of a score are missing; read without validation, for speed."""
    path = store.folder("scores", identity) / "record.json"
    return int(json.loads(path.read_bytes())["missing"])


def missing_scorings(plan: Plan, state: State) -> dict[str, list[Scoring]]:
    """Return the scorings still to do, by evaluation."""
    found: dict[str, list[Scoring]] = defaultdict(list)
    for scoring in plan.scorings:
        if scoring.id not in state.scores:
            found[scoring.evaluation].append(scoring)
    return dict(found)


def wanted_trials(plan: Plan, evaluations: list[Evaluation], state: State) -> set[str]:
    """Return the trials that unfinished evaluations need, and their teachers."""
    wanted = {e.trial.id for e in evaluations if e.trial}
    taught = [trial for trial in plan.trials if trial.id in wanted - state.trials]
    return wanted | {teacher.id for trial in taught for teacher in trial.teachers}


def list_jobs(plan: Plan, state: State) -> list[Job]:
    """Return the jobs that finish the plan, and nothing that is finished already."""
    scorings = missing_scorings(plan, state)
    evaluations = [e for e in plan.evaluations if e.id not in state.evaluations]
    wanted = wanted_trials(plan, evaluations, state)
    trials = [t for t in plan.trials if t.id in wanted and t.id not in state.trials]
    jobs = [Job("preflight", "metrics", "load metrics", frozenset(), 0)] if scorings else []
    for split, identity in plan.references.items():
        if identity not in state.references:
            jobs.append(Job("references", split, f"reference audio of {split}", frozenset(), 1))
    shards = {t.id: t.codec.cache.shards_of(plan.utterances(t)) for t in trials}
    wanted_shards = {shard.id for own in shards.values() for shard in own}
    for number, (identity, (codec, _)) in enumerate(plan.shards.items(), 1):
        if identity in wanted_shards and identity not in state.latents:
            title = f"encode shard {number} with {codec.facts.name}"
            jobs.append(Job("latents", identity, title, frozenset(), 0))
    planned = {job.key for job in jobs}
    for trial in trials:
        before = {("latents", shard.id) for shard in shards[trial.id]} & planned
        if trial.teacher and trial.teacher.id not in state.trials:
            before.add(("trials", trial.teacher.id))
        jobs.append(Job("trials", trial.id, f"train {trial.title}", frozenset(before), 2))
    planned = {job.key for job in jobs}
    for evaluation in evaluations:
        parent = {("trials", evaluation.trial.id)} if evaluation.trial else set()
        title = f"evaluate {evaluation.title}"
        jobs.append(Job("evaluations", evaluation.id, title, frozenset(parent & planned), 3))
    planned = {job.key for job in jobs}
    for evaluation in plan.evaluations:
        if evaluation.id in scorings:
            before = {
                ("preflight", "metrics"),
                ("evaluations", evaluation.id),
                ("references", evaluation.split),
            }
            title = f"score {evaluation.title}"
            jobs.append(Job("scores", evaluation.id, title, frozenset(before & planned), 4))
    return jobs
