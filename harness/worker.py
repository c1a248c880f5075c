"""One worker: does single jobs of a plan, in one process, without Ray.

A worker makes its own plan from the configuration, so jobs are named by kind and id alone.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from harness.audio import read_audio, write_flac
from harness.codecs.base import Codec
from harness.codecs.loading import load_codec
from harness.config import Config
from harness.data.read import read_utterance
from harness.errors import UserError
from harness.latents import Latents, file_sha256, write_latents
from harness.plan import Evaluation, Plan, Trial, make_plan
from harness.provenance import now, provenance
from harness.records import EvaluatedUtterance, EvaluationRecord, ReferenceRecord, TrialRecord
from harness.score import Pair, score_record, score_table
from harness.space import trained_space, untrained_space
from harness.state import missing_scorings, read_state
from harness.store import Store, write_record
from harness.synthesize import Synthesizer, require_declared
from harness.train import train
from methods import catalog
from methods.base import Backbone, LatentSpace, Method, MethodError
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
        self.progress: tuple[int, int, float | None] = (0, 0, None)
        self.loaded: dict[str, Metric] = {}
        self.jobs: dict[str, Callable[[str], None]] = {
            "preflight": self.preflight,
            "references": self.write_references,
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
        """Load every metric the plan uses, so that a missing model stops the run at its start."""
        for name in sorted({scoring.metric for scoring in self.plan.scorings}):
            self.metric(name)

    def metric(self, name: str) -> Metric:
        """Return a loaded metric."""
        if name not in self.loaded:
            metric = registry.get(name)()
            metric.load()
            self.loaded[name] = metric
        return self.loaded[name]

    def write_references(self, split: str) -> None:
        """Commit a split's reference audio."""
        corpus, rows = self.plan.splits.corpus, self.plan.splits.evaluate[split]
        identity = self.plan.references[split]
        with self.store.commit("references", identity) as folder:
            (folder / "audio").mkdir()
            audio = {row.id: f"audio/{number:05d}.flac" for number, row in enumerate(rows)}
            for row in rows:
                write_flac(folder / audio[row.id], read_utterance(corpus, row), corpus.sample_rate)
            write_record(
                folder,
                ReferenceRecord(
                    id=identity,
                    corpus=corpus.name,
                    licence=corpus.licence,
                    split=split,
                    sample_rate=corpus.sample_rate,
                    audio=audio,
                ),
            )

    def encode(self, identity: str) -> None:
        """Commit the latents of all training and validation audio."""
        splits = self.plan.splits
        rows = splits.train + splits.valid
        write_latents(self.store, identity, self.codec, splits.corpus, rows, self.report)

    @cached_property
    def latents(self) -> Latents:
        """The latent cache, checked once."""
        return Latents(self.store.folder("latents", self.plan.latents))

    def build(self, trial: Trial) -> Callable[[LatentSpace], Method]:
        """Return a function that builds a trial's untrained method."""
        return self.builder(trial.method.name, trial.method.params)

    def builder(self, name: str, params: Mapping[str, object]) -> Callable[[LatentSpace], Method]:
        """Return a function that builds a method from its parameters."""
        found = catalog.load(catalog.get(name))
        checked, backbone = found.Params(**params), Backbone(**self.config.backbone.model_dump())
        return lambda space: found(checked, space, backbone)

    def train(self, identity: str) -> None:
        """Train one trial and commit its weights, curve and cost."""
        trial = next(t for t in self.plan.trials if t.id == identity)
        started, clock = now(), time.monotonic()
        space = trained_space(self.codec, self.latents, trial.subset)
        valid = [row.id for row in self.plan.splits.valid]
        trained = train(
            self.build(trial),
            space,
            self.latents,
            trial.subset,
            valid,
            self.config.training,
            trial.seed,
            self.report,
        )
        with self.store.commit("trials", identity) as folder:
            save_file(trained.method.state_dict(), folder / "weights.safetensors")
            write_record(
                folder,
                TrialRecord(
                    id=identity,
                    method=trial.method,
                    codec=self.plan.codec,
                    data_size=trial.size,
                    seed=trial.seed,
                    training=self.config.training.model_dump(),
                    parameters=sum(p.numel() for p in trained.method.parameters()),
                    frames=trained.frames,
                    curve=trained.curve,
                    weights_sha256=file_sha256(folder / "weights.safetensors"),
                    provenance=provenance(started, time.monotonic() - clock),
                ),
            )

    def method(self, evaluation: Evaluation) -> Method:
        """Return an evaluation's method, with its trial's weights if it has any."""
        facts = evaluation.method
        method = self.builder(facts.name, facts.params)(untrained_space(self.codec))
        require_declared(method)
        if evaluation.trial is not None:
            path = self.store.folder("trials", evaluation.trial.id) / "weights.safetensors"
            if file_sha256(path) != self.store.trial(evaluation.trial.id).weights_sha256:
                raise UserError(
                    f"{path}: is damaged (its sha256 changed); remove {path.parent} and rerun"
                )
            method.load_state_dict(load_file(path))
        return method.eval()

    def evaluate(self, identity: str) -> None:
        """Resynthesize a split and commit the audio with its measured cost."""
        evaluation = next(e for e in self.plan.evaluations if e.id == identity)
        started, clock = now(), time.monotonic()
        maker = Synthesizer(self.codec, self.method(evaluation), evaluation.nfe, evaluation.sample)
        corpus, rows = self.plan.splits.corpus, self.plan.splits.evaluate[evaluation.split]
        rate, done, calls = corpus.sample_rate, [], 0
        first = read_utterance(corpus, rows[0])
        flops = maker.flops(first, rate)  # also warms up, so that the first timing counts
        with self.store.commit("evaluations", identity) as folder:
            (folder / "audio").mkdir()
            for number, row in enumerate(rows):
                made = maker.run(row.id, read_utterance(corpus, row), rate)
                path = f"audio/{number:05d}.flac"
                clipped = write_flac(folder / path, made.samples, rate)
                calls += made.calls
                done.append(
                    EvaluatedUtterance(
                        id=row.id,
                        speaker=row.speaker,
                        voice=row.voice,
                        language=row.language,
                        seconds=row.seconds,
                        transcript=row.transcript,
                        audio=path,
                        audio_sha256=file_sha256(folder / path),
                        reference_sha256=row.sha256,
                        synthesis_seconds=made.seconds,
                        clipped_samples=clipped,
                    )
                )
                self.report(number + 1, len(rows), None)
            seconds = sum(u.seconds for u in done)
            trial = evaluation.trial
            write_record(
                folder,
                EvaluationRecord(
                    id=identity,
                    trial=trial.id if trial else None,
                    method=evaluation.method,
                    codec=self.plan.codec,
                    data_size=trial.size if trial else None,
                    nfe=evaluation.nfe,
                    layers=None,
                    seed=trial.seed if trial else None,
                    sample=evaluation.sample,
                    corpus=corpus.name,
                    split=evaluation.split,
                    sample_rate=rate,
                    reference=self.plan.references[evaluation.split],
                    counted_nfe=calls / len(rows),
                    flops_per_second=flops,
                    real_time_factor=sum(u.synthesis_seconds for u in done) / seconds,
                    utterances=tuple(done),
                    provenance=provenance(started, time.monotonic() - clock),
                ),
            )

    def score(self, identity: str) -> None:
        """Commit every score of one evaluation that is not finished."""
        state = read_state(self.plan, self.store)
        evaluation = self.store.evaluation(identity)
        pairs = self.pairs(evaluation)
        todo = missing_scorings(self.plan, state).get(identity, [])
        for number, scoring in enumerate(todo, 1):
            metric = self.metric(scoring.metric)
            chosen = [pairs[utterance] for utterance in scoring.utterances]
            table, seconds = score_table(metric, chosen, evaluation.sample_rate)
            record = score_record(scoring.id, identity, metric, table, len(pairs), seconds)
            self.store.discard("scores", scoring.id)
            with self.store.commit("scores", scoring.id) as folder:
                table.to_parquet(folder / "table.parquet", index=False)
                write_record(folder, record)
            self.report(number, len(todo), None)

    def pairs(self, evaluation: EvaluationRecord) -> dict[str, Pair]:
        """Read an evaluation's audio beside its references, checked against its record."""
        references = self.store.reference(evaluation.reference)
        folder = self.store.folder("references", references.id)
        own, rate = self.store.folder("evaluations", evaluation.id), evaluation.sample_rate
        found = {}
        for row in evaluation.utterances:
            path = own / row.audio
            if file_sha256(path) != row.audio_sha256:
                raise UserError(f"{path}: changed since it was made; remove {own} and rerun")
            reference, _ = read_audio(
                folder / references.audio[row.id], f"reference {row.id}", rate
            )
            estimate, _ = read_audio(path, f"estimate {row.id}", rate)
            found[row.id] = Pair(
                row.id, row.speaker, reference, estimate, row.transcript, row.reference_sha256
            )
        return found


def limit_threads(threads: int) -> dict[str, str]:
    """Return the environment that holds every numeric library of a worker to its CPU share."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) | {"TOKENIZERS_PARALLELISM": "false"}
