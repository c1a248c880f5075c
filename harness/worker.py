"""One worker: does single jobs of a plan, in one process, without Ray.

A worker makes its own plan from the configuration, so jobs are named by kind and id alone.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch

from harness.codecs.base import Codec
from harness.codecs.loading import load_codec
from harness.config import Config
from harness.errors import UserError
from harness.evaluations import evaluate, write_references
from harness.latents.read import Latents
from harness.latents.remote import Remote
from harness.latents.repair import open_or_rebuild
from harness.latents.shard import DamagedShard
from harness.latents.write import write_shard
from harness.plan import Plan, PlannedCodec, Trial
from harness.planner import make_plan
from harness.scoring.evaluations import prepared_folder, score_evaluation
from harness.scoring.pool import Pool
from harness.store import Store
from harness.training.ranks import Ranks
from harness.training.together import device_of, together
from harness.trials import train_trial
from methods.base import MethodError
from metrics.base import MetricUnavailable


@dataclass(frozen=True)
class Outcome:
    """How a job ended: no error, the user's error, or a failure with its traceback."""

    error: str | None = None
    user_error: bool = False
    trace: str = ""


class Worker:
    """Runs jobs against one store. `progress` is (step, steps, loss) of the job under way."""

    def __init__(self, config: Config, store: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self.threads = threads
        self.config, self.store = config, Store(store)
        self.device = "cuda" if config.compute.gpus_per_worker > 0 else "cpu"
        self.progress: tuple[int, int, float | None] = (0, 0, None)
        self.scorers = Pool(threads, prepared_folder(self.store), config.compute.score_seconds)
        self.codecs: dict[str, Codec] = {}
        self.caches: dict[str, Latents] = {}
        self.jobs: dict[str, Callable[[str], None]] = {
            "preflight": self.preflight,
            "references": self.references,
            "latents": self.encode,
            "trials": self.train,
            "evaluations": self.evaluate,
            "scores": self.score,
        }

    @cached_property
    def plan(self) -> Plan:
        """The plan, made anew from the configuration: same files, same ids."""
        return make_plan(self.config)

    def codec(self, planned: PlannedCodec) -> Codec:
        """Return a codec, loaded once."""
        name = planned.facts.name
        if name not in self.codecs:
            self.codecs[name] = load_codec(planned.config)
        return self.codecs[name]

    def latents(self, planned: PlannedCodec) -> Latents:
        """Return a codec's latent cache; its shards are verified when they are first used."""
        name = planned.facts.name
        if name not in self.caches:
            codec, corpus = self.codec(planned), self.plan.splits.corpus
            self.caches[name] = Latents(self.store, planned.cache, codec, corpus)
        return self.caches[name]

    def do(self, kind: str, identity: str) -> Outcome:
        """Do one job; errors come back as an outcome, so that other jobs go on."""
        torch.set_flush_denormal(True)  # holds for a thread, and this may be another one
        self.progress = (0, 0, None)
        if kind not in ("preflight", "scores"):
            self.scorers.close()  # their models would lie in memory while this one works
        try:
            self.jobs[kind](identity)
        except (UserError, MethodError, MetricUnavailable) as error:
            return Outcome(str(error), user_error=True)
        except Exception as error:  # the job's boundary: the run reports it and goes on
            return Outcome(f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        return Outcome()

    def report(self, step: int, steps: int, loss: float | None) -> None:
        """Note progress for whoever watches."""
        self.progress = (step, steps, loss)

    def preflight(self, identity: str) -> None:
        """Load every metric the plan uses: if a model is missing, it is said and nothing scored."""
        used = {scoring.metric for scoring in self.plan.scorings}
        self.scorers.check([spec for name, spec in self.plan.metrics.items() if name in used])

    def references(self, split: str) -> None:
        """Commit a split's reference audio."""
        write_references(self.store, self.plan, split)

    def encode(self, identity: str) -> None:
        """Commit one shard of latents: staged from remote storage if it is there, else encoded.

        A remote shard that is damaged is encoded anew and replaced.
        """
        planned, shard = self.plan.shards[identity]
        remote = Remote(self.config.latents.remote) if self.config.latents.remote else None
        damaged = False
        try:
            if remote and remote.get(self.store, identity):
                return
        except DamagedShard:
            damaged = True
        corpus = self.plan.splits.corpus
        write_shard(self.store, shard, planned.cache, self.codec(planned), corpus, self.report)
        if remote:
            remote.put(self.store, identity, replace=damaged)

    def train(self, identity: str) -> None:
        """Train one trial, together with other processes where the configuration says so."""
        trial = self.trial(identity)
        open_or_rebuild(self.latents(trial.codec), self.plan.utterances(trial), self.report)
        count = self.config.compute.ranks
        follow = partial(follow_trial, self.config, self.store.root, identity)
        torch.set_num_threads(max(1, self.threads // count))
        try:
            with together(count, self.device, follow) as ranks:
                self.train_rank(identity, ranks, device_of(0, count, self.device))
        finally:
            torch.set_num_threads(self.threads)

    def train_rank(self, identity: str, ranks: Ranks, device: str) -> None:
        """Do one rank's share of a trial."""
        trial = self.trial(identity)
        codec, latents = self.codec(trial.codec), self.latents(trial.codec)
        train_trial(self.store, self.plan, trial, codec, latents, self.report, device, ranks)

    def trial(self, identity: str) -> Trial:
        """Return a trial of the plan."""
        return next(trial for trial in self.plan.trials if trial.id == identity)

    def evaluate(self, identity: str) -> None:
        """Synthesize one evaluation's audio."""
        evaluation = next(e for e in self.plan.evaluations if e.id == identity)
        codec = self.codec(evaluation.codec)
        evaluate(self.store, self.plan, evaluation, codec, self.report, self.device)

    def score(self, identity: str) -> None:
        """Score one evaluation."""
        score_evaluation(self.store, self.plan, identity, self.scorers, self.report)


def follow_trial(config: Config, store: Path, identity: str, ranks: Ranks, device: str) -> None:
    """Be a further rank of a trial, in a process of its own."""
    threads = max(1, config.compute.cpus_per_worker // ranks.count)
    Worker(config, store, threads).train_rank(identity, ranks, device)
