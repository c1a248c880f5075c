"""Commit the scores of one evaluation of a plan; rows that were scored before are kept."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from harness.audio import RESAMPLING_POLICY
from harness.errors import UserError
from harness.latents import Progress, file_sha256
from harness.plan import Plan, Scoring
from harness.records import EvaluatedUtterance, EvaluationRecord, ScoreRecord
from harness.scoring.engine import Scores, frame_of, score
from harness.scoring.items import Item
from harness.scoring.messages import Scored
from harness.scoring.pool import Pool
from harness.state import missing_scorings, read_state
from harness.store import Store, write_record
from metrics.base import LatentMatch, Made, Metric


def prepared_folder(store: Store) -> Path:
    """Return where a store keeps what metrics computed of references."""
    return store.root / "prepared"


def score_evaluation(
    store: Store, plan: Plan, identity: str, pool: Pool, progress: Progress
) -> None:
    """Commit every score of one evaluation that is not finished, each as soon as it is.

    What was told of an utterance (transcript, language, speaker) is the plan's word for it.
    Raises UserError if an estimate changed since it was committed, MetricUnavailable.
    """
    evaluation = store.evaluation(identity)
    items = read_items(store, plan, evaluation)
    todo = missing_scorings(plan, read_state(plan, store)).get(identity, [])
    before = {scoring.id: scored_before(store, scoring) for scoring in todo}
    left = {s.metric: [u for u in s.utterances if u not in before[s.id].index] for s in todo}
    scorings = {scoring.metric: scoring for scoring in todo}
    total, done = sum(map(len, left.values())), 0

    def hear(part: Scored, own: Scores) -> None:
        nonlocal done
        done += len(part.rows)
        progress(done, total, None)
        if len(own.rows) == len(left[part.metric]):
            finish(scorings[part.metric], own)

    def finish(scoring: Scoring, own: Scores) -> None:
        metric = plan.metrics[scoring.metric].build()
        table = joined(scoring, before[scoring.id], own)
        commit(store, scoring, metric, table, own.seconds, len(items))

    for name, utterances in left.items():
        if not utterances:
            finish(scorings[name], Scores())
    wanted = [(plan.metrics[name], [items[u] for u in own]) for name, own in left.items()]
    score(pool, wanted, hear)


def scored_before(store: Store, scoring: Scoring) -> pd.DataFrame:
    """Return the rows of an unfinished score that need not be tried again."""
    path = store.folder("scores", scoring.id) / "table.parquet"
    if not store.has("scores", scoring.id):
        return pd.DataFrame({"status": []})
    table = pd.read_parquet(path)
    return table[table["status"] != "missing"].set_index("utterance", drop=False)


def joined(scoring: Scoring, before: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Return new rows beside those scored before, in the plan's order."""
    new = frame_of(list(scores.rows.values())).set_index("utterance", drop=False)
    parts = [part for part in (before, new) if len(part)]
    whole = pd.concat(parts) if parts else new
    return whole.loc[list(scoring.utterances)].reset_index(drop=True)


def commit(
    store: Store, scoring: Scoring, metric: Metric, table: pd.DataFrame, seconds: float, of: int
) -> None:
    """Commit one score, in place of an unfinished one."""
    counts = Counter(table["status"])
    record = ScoreRecord(
        id=scoring.id,
        evaluation=scoring.evaluation,
        metric=metric.facts.as_dict(),
        resampling=RESAMPLING_POLICY,
        scored=counts["scored"],
        not_applicable=counts["not applicable"],
        missing=counts["missing"],
        of=of,
        seconds=round(seconds, 3),
        versions=package_versions(metric),
    )
    with store.commit("scores", scoring.id, replace=True) as folder:
        table.to_parquet(folder / "table.parquet", index=False)
        write_record(folder, record)


def package_versions(metric: Metric) -> dict[str, str]:
    """Return the versions of the packages a metric declares."""
    found = {}
    for name in metric.packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def read_items(store: Store, plan: Plan, evaluation: EvaluationRecord) -> dict[str, Item]:
    """Return an evaluation's estimates beside their references.

    Raises UserError if an estimate changed since it was committed.
    """
    references = store.reference(evaluation.reference)
    folder = store.folder("references", references.id)
    own = store.folder("evaluations", evaluation.id)
    told = {row.id: row for row in plan.splits.evaluate[evaluation.split]}
    for row in evaluation.utterances:
        if file_sha256(own / row.audio) != row.audio_sha256:
            raise UserError(f"{own / row.audio}: changed since it was made; remove {own} and rerun")
    return {
        row.id: Item(
            utterance=row.id,
            speaker=told[row.id].speaker,
            reference=folder / references.audio[row.id],
            estimate=own / row.audio,
            rate=evaluation.sample_rate,
            transcript=told[row.id].transcript,
            language=known_language(told[row.id].language),
            made=made(row),
        )
        for row in evaluation.utterances
    }


def known_language(language: str) -> str | None:
    """Return a manifest's language, None for "und": undetermined (ISO 639-2)."""
    return None if language == "und" else language


def made(row: EvaluatedUtterance) -> Made:
    """Return what was measured while an estimate was made."""
    latent = LatentMatch(**row.latent.model_dump()) if row.latent else None
    return Made(row.synthesis_seconds, row.seconds, latent)
