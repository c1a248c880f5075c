"""Commit the audio of one evaluation of a plan, and of its references."""

from __future__ import annotations

import time
from pathlib import Path

from harness.audio import write_flac
from harness.codecs.base import Codec
from harness.data.corpus import Utterance
from harness.data.read import read_utterance
from harness.latents import Progress, file_sha256
from harness.plan import Evaluation, Plan
from harness.provenance import now, provenance
from harness.records import EvaluatedUtterance, EvaluationRecord, ReferenceRecord
from harness.store import Store, write_record
from harness.synthesize import Synthesis, Synthesizer
from harness.trials import load_method


def write_references(store: Store, plan: Plan, split: str) -> None:
    """Commit a split's reference audio."""
    corpus, rows = plan.splits.corpus, plan.splits.evaluate[split]
    audio = {row.id: f"audio/{number:05d}.flac" for number, row in enumerate(rows)}
    record = ReferenceRecord(
        id=plan.references[split],
        corpus=corpus.name,
        licence=corpus.licence,
        split=split,
        sample_rate=corpus.sample_rate,
        audio=audio,
    )
    with store.commit("references", record.id) as folder:
        (folder / "audio").mkdir()
        for row in rows:
            write_flac(folder / audio[row.id], read_utterance(corpus, row), corpus.sample_rate)
        write_record(folder, record)


def evaluate(
    store: Store,
    plan: Plan,
    evaluation: Evaluation,
    codec: Codec,
    progress: Progress,
    device: str,
) -> None:
    """Resynthesize a split and commit the audio with its measured cost."""
    started, clock = now(), time.monotonic()
    method = load_method(store, plan, evaluation, codec)
    maker = Synthesizer(codec, method, evaluation.nfe, evaluation.layers, evaluation.sample, device)
    corpus, rows = plan.splits.corpus, plan.splits.evaluate[evaluation.split]
    rate, done, calls = corpus.sample_rate, [], 0
    # Counting FLOPs runs everything once, which also warms up, so that the first timing counts.
    flops = maker.flops(rows[0].id, read_utterance(corpus, rows[0]), rate)
    with store.commit("evaluations", evaluation.id) as folder:
        (folder / "audio").mkdir()
        for number, row in enumerate(rows):
            made = maker.run(row.id, read_utterance(corpus, row), rate)
            done.append(write_estimate(folder, f"audio/{number:05d}.flac", row, made, rate))
            calls += made.calls
            progress(number + 1, len(rows), None)
        record = describe(plan, evaluation, done, calls, flops, started, clock)
        write_record(folder, record)


def write_estimate(
    folder: Path, name: str, row: Utterance, made: Synthesis, rate: int
) -> EvaluatedUtterance:
    """Write one estimate and return its entry in the record."""
    clipped = write_flac(folder / name, made.samples, rate)
    return EvaluatedUtterance(
        id=row.id,
        speaker=row.speaker,
        voice=row.voice,
        language=row.language,
        seconds=row.seconds,
        transcript=row.transcript,
        audio=name,
        audio_sha256=file_sha256(folder / name),
        reference_sha256=row.sha256,
        synthesis_seconds=made.seconds,
        latent=made.latent,
        clipped_samples=clipped,
    )


def describe(
    plan: Plan,
    evaluation: Evaluation,
    done: list[EvaluatedUtterance],
    calls: int,
    flops: float,
    started: str,
    clock: float,
) -> EvaluationRecord:
    """Return an evaluation's record."""
    trial, corpus = evaluation.trial, plan.splits.corpus
    spent, seconds = sum(u.synthesis_seconds for u in done), sum(u.seconds for u in done)
    return EvaluationRecord(
        id=evaluation.id,
        trial=trial.id if trial else None,
        checkpoint=evaluation.checkpoint,
        method=evaluation.method,
        codec=evaluation.codec.facts,
        data_size=trial.size if trial else None,
        nfe=evaluation.nfe,
        layers=evaluation.layers,
        seed=trial.seed if trial else None,
        sample=evaluation.sample,
        corpus=corpus.name,
        split=evaluation.split,
        sample_rate=corpus.sample_rate,
        reference=plan.references[evaluation.split],
        counted_nfe=calls / len(done),
        flops_per_second=flops,
        real_time_factor=spent / seconds,
        utterances=tuple(done),
        provenance=provenance(started, time.monotonic() - clock),
    )
