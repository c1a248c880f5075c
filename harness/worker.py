"""One worker: does single jobs of a plan, in one process, without Ray.

A worker makes its own plan from the configuration, so jobs are named by kind and id alone.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from harness.codecs.base import Codec
from harness.codecs.loading import load_codec
from harness.config import Config
from harness.errors import UserError
from harness.evaluations import evaluate, write_references
from harness.latents import Latents, write_latents
from harness.plan import Plan
from harness.planner import make_plan
from harness.scoring import score_evaluation
from harness.store import Store
from harness.trials import train_trial
from methods.base import MethodError
from metrics import registry
from metrics.base import Metric, MetricUnavailable


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
        self.config, self.store = config, Store(store)
        self.device = "cuda" if config.compute.gpus_per_worker > 0 else "cpu"
        self.progress: tuple[int, int, float | None] = (0, 0, None)
        self.loaded: dict[str, Metric] = {}
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

    @cached_property
    def codec(self) -> Codec:
        """The codec, loaded once."""
        return load_codec(self.config.codec)

    @cached_property
    def latents(self) -> Latents:
        """The latent cache, its checksums verified once."""
        return Latents(self.store.folder("latents", self.plan.latents))

    def do(self, kind: str, identity: str) -> Outcome:
        """Do one job; errors come back as an outcome, so that other jobs go on."""
        torch.set_flush_denormal(True)
        self.progress = (0, 0, None)
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
        for name in sorted({scoring.metric for scoring in self.plan.scorings}):
            self.metric(name)

    def metric(self, name: str) -> Metric:
        """Return a loaded metric."""
        if name not in self.loaded:
            metric = registry.get(name)()
            metric.load()
            self.loaded[name] = metric
        return self.loaded[name]

    def references(self, split: str) -> None:
        """Commit a split's reference audio."""
        write_references(self.store, self.plan, split)

    def encode(self, identity: str) -> None:
        """Commit the latents of all training and validation audio."""
        splits = self.plan.splits
        rows = splits.train + splits.valid
        write_latents(self.store, identity, self.codec, splits.corpus, rows, self.report)

    def train(self, identity: str) -> None:
        """Train one trial."""
        trial = next(t for t in self.plan.trials if t.id == identity)
        train_trial(
            self.store, self.plan, trial, self.codec, self.latents, self.report, self.device
        )

    def evaluate(self, identity: str) -> None:
        """Synthesize one evaluation's audio."""
        evaluation = next(e for e in self.plan.evaluations if e.id == identity)
        evaluate(self.store, self.plan, evaluation, self.codec, self.report, self.device)

    def score(self, identity: str) -> None:
        """Score one evaluation."""
        score_evaluation(self.store, self.plan, identity, self.metric, self.report)


def limit_threads(threads: int) -> dict[str, str]:
    """Return the environment that holds every numeric library of a worker to its CPU share."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) | {"TOKENIZERS_PARALLELISM": "false"}
