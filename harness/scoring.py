"""Commit the scores of one evaluation of a plan."""

from __future__ import annotations

from collections.abc import Callable

from harness.audio import read_audio
from harness.errors import UserError
from harness.latents import Progress, file_sha256
from harness.plan import Plan
from harness.records import EvaluationRecord
from harness.score import Pair, score_record, score_table
from harness.state import missing_scorings, read_state
from harness.store import Store, write_record
from metrics.base import Metric


def score_evaluation(
    store: Store, plan: Plan, identity: str, metric: Callable[[str], Metric], progress: Progress
) -> None:
    """Commit every score of one evaluation that is not finished; `metric` loads one by name."""
    evaluation = store.evaluation(identity)
    pairs = read_pairs(store, evaluation)
    todo = missing_scorings(plan, read_state(plan, store)).get(identity, [])
    for number, scoring in enumerate(todo, 1):
        scorer = metric(scoring.metric)
        chosen = [pairs[utterance] for utterance in scoring.utterances]
        table, seconds = score_table(scorer, chosen, evaluation.sample_rate)
        record = score_record(scoring.id, identity, scorer, table, len(pairs), seconds)
        store.discard("scores", scoring.id)
        with store.commit("scores", scoring.id) as folder:
            table.to_parquet(folder / "table.parquet", index=False)
            write_record(folder, record)
        progress(number, len(todo), None)


def read_pairs(store: Store, evaluation: EvaluationRecord) -> dict[str, Pair]:
    """Read an evaluation's audio beside its references.

    Raises UserError if an estimate changed since it was committed.
    """
    references = store.reference(evaluation.reference)
    folder = store.folder("references", references.id)
    own, rate = store.folder("evaluations", evaluation.id), evaluation.sample_rate
    found = {}
    for row in evaluation.utterances:
        path = own / row.audio
        if file_sha256(path) != row.audio_sha256:
            raise UserError(f"{path}: changed since it was made; remove {own} and rerun")
        reference, _ = read_audio(folder / references.audio[row.id], f"reference {row.id}", rate)
        estimate, _ = read_audio(path, f"estimate {row.id}", rate)
        found[row.id] = Pair(
            row.id, row.speaker, reference, estimate, row.transcript, row.reference_sha256
        )
    return found
