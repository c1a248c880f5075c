"""What a plan's training and its evaluations' audio will cost, before anyone pays. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.encoder_size import encoder_parameters, step_flops
from harness.plan import Plan, Trial, system_name
from harness.store import Store
from methods import catalog
from methods.declaration import Declaration
from methods.params import Backbone

WEIGHT_BYTES = 4
CHECKPOINTS = 2  # the last, and the best on validation
FLAC_BYTES = 1.15  # per sample of 16-bit speech: 1.05 on LibriSpeech, 1.22 on voice prompts
RECORDS_READ = 32


@dataclass(frozen=True)
class MethodCost:
    """All trials of one method: how many, how many of them are `done`, and what all cost.

    `flops` is in all, `flops_left` of the trials to do. `disk` is of the checkpoints, in bytes, as
    if every method had the shared encoder's parameters.
    """

    method: str
    trials: int
    done: int
    flops: float
    flops_left: float
    disk: int


@dataclass(frozen=True)
class Costs:
    """What a plan costs. `rate` is FLOP/s that one worker sustains in training.

    It is "measured" (`basis`) where the store holds finished trials of this backbone, else
    "declared" as compute.flops_per_second, and None where there is neither. `audio_hours` and
    `audio_bytes` are of all evaluations; `longest` is the FLOPs of the longest trial, its
    teacher's before it.
    """

    methods: tuple[MethodCost, ...]
    rate: float | None
    basis: str | None
    workers: int
    gpus_per_worker: float
    longest: float
    evaluations: int
    audio_hours: float
    audio_bytes: int

    @property
    def flops(self) -> float:
        """Training FLOPs of all trials."""
        return sum(method.flops for method in self.methods)

    @property
    def flops_left(self) -> float:
        """Training FLOPs of the trials that are not done."""
        return sum(method.flops_left for method in self.methods)

    @property
    def seconds(self) -> float | None:
        """Seconds that the whole run trains on its workers, none of them idle before the end."""
        if self.rate is None:
            return None
        return max(self.flops / self.workers, self.longest) / self.rate

    def worker_hours(self, flops: float) -> float | None:
        """Return the hours that one worker takes for so many FLOPs."""
        return None if self.rate is None else flops / self.rate / 3600

    def gpu_hours(self, flops: float) -> float | None:
        """Return the GPU-hours of so many FLOPs; None if unknown, 0 if workers have no GPU."""
        hours = self.worker_hours(flops)
        return None if hours is None else hours * self.gpus_per_worker

    def as_dict(self) -> dict[str, Any]:
        """Return the costs as JSON values, hours included."""
        hours = {
            "flops": self.flops,
            "flops_left": self.flops_left,
            "worker_hours": self.worker_hours(self.flops),
            "gpu_hours": self.gpu_hours(self.flops),
            "gpu_hours_left": self.gpu_hours(self.flops_left),
            "training_seconds": self.seconds,
        }
        return asdict(self) | hours


def costs(plan: Plan, store: Store | None) -> Costs:
    """Forecast a plan's costs; a teacher's trial counts once, whoever learns from it."""
    compute, declared = plan.config.compute, catalog.discover()
    work = {trial.id: trial_flops(plan, trial, declared) for trial in plan.trials}
    rate = measured_rate(store, plan.config.backbone) if store else None
    basis = "measured" if rate else "declared" if compute.flops_per_second else None
    done = store.finished("trials") if store else set()
    heard = evaluated_seconds(plan)
    return Costs(
        methods=method_costs(plan, work, done),
        rate=rate or compute.flops_per_second,
        basis=basis,
        workers=compute.workers,
        gpus_per_worker=compute.gpus_per_worker,
        longest=max((chain(trial, work) for trial in plan.trials), default=0.0),
        evaluations=len(plan.evaluations),
        audio_hours=heard / 3600,
        audio_bytes=round(heard * plan.splits.corpus.sample_rate * FLAC_BYTES),
    )


def method_costs(plan: Plan, work: Mapping[str, float], done: set[str]) -> tuple[MethodCost, ...]:
    """Sum the trials of each method, in the plan's order."""
    groups: dict[str, list[Trial]] = {}
    for trial in plan.trials:
        groups.setdefault(system_name(trial.method), []).append(trial)
    return tuple(
        MethodCost(
            method=name,
            trials=len(trials),
            done=sum(trial.id in done for trial in trials),
            flops=sum(work[trial.id] for trial in trials),
            flops_left=sum(work[trial.id] for trial in trials if trial.id not in done),
            disk=sum(checkpoint_bytes(plan, trial) for trial in trials),
        )
        for name, trials in groups.items()
    )


def chain(trial: Trial, work: Mapping[str, float]) -> float:
    """Return the FLOPs of a trial and of the teachers it has to wait for."""
    return work[trial.id] + (chain(trial.teacher, work) if trial.teacher else 0.0)


def trial_flops(plan: Plan, trial: Trial, declared: Mapping[str, Declaration]) -> float:
    """Return a trial's training FLOPs: its budget, or its steps times what one costs."""
    budget = plan.config.budget
    if budget.steps is None:
        return budget.flops or 0.0
    method, facts = declared[trial.method.name], trial.codec.facts
    frames = max(1, round(budget.segment_seconds * facts.frame_rate))
    step = step_flops(plan.config.backbone, method, facts, budget.batch_size, frames)
    return budget.steps * step


def checkpoint_bytes(plan: Plan, trial: Trial) -> int:
    """Return the size of a trial's checkpoints in bytes."""
    dimension = trial.codec.facts.dimension
    return WEIGHT_BYTES * CHECKPOINTS * encoder_parameters(plan.config.backbone, dimension)


def evaluated_seconds(plan: Plan) -> float:
    """Return the seconds of audio that all evaluations make."""
    each = {split: sum(row.seconds for row in rows) for split, rows in plan.splits.evaluate.items()}
    counts = Counter(evaluation.split for evaluation in plan.evaluations)
    return sum(count * each[split] for split, count in counts.items())


def measured_rate(store: Store, backbone: Backbone) -> float | None:
    """Return the FLOP/s that this store's trials of the same backbone sustained; None without any.

    From at most `RECORDS_READ` of them. Raises UserError for a damaged record.
    """
    flops = seconds = 0.0
    found = 0
    for identity in sorted(store.finished("trials")):
        record = store.trial(identity)
        if record.method.backbone != backbone.model_dump():
            continue
        flops, seconds, found = flops + record.flops, seconds + record.seconds, found + 1
        if found == RECORDS_READ:
            break
    return flops / seconds if seconds else None
