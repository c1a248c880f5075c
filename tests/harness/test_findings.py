"""The study of the paper's findings, on SYNTHETIC records with effects that are known."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.cli import main
from harness.errors import UserError
from harness.records import (
    SCORE_COLUMNS,
    CodecFacts,
    CurvePoint,
    DataSize,
    EvaluatedUtterance,
    EvaluationRecord,
    MethodFacts,
    Provenance,
    RunRecord,
    ScoreRecord,
    Selection,
    TrialRecord,
)
from harness.store import Store, write_record
from harness.studies.findings import study_findings
from leaderboard.findings_report import Findings

SPEAKERS, EACH, NOISE = 6, 4, 0.01
SIZES = {"10%": 1.0, "100%": 10.0}
METRICS = {"estoi": True, "visqol": True, "speaker_similarity": True, "dwer": False}
# What a method scores on all data, and what it loses with a tenth of it.
LEVELS = {
    "regression/z": (0.70, 0.10),
    "regression/embedding": (0.70, 0.10),
    "parallel_tokens": (0.60, 0.05),
    "coarse_to_fine": (0.75, 0.02),
    "bridge": (0.68, 0.01),
    "hybrid": (0.75, 0.01),
}
WORSE = "coarse_to_fine"  # than regression in quality: the claim F1 is contradicted there
NFES = (1, 4, 8)
SEEDS = 2
GAIN_PER_DOUBLING = 0.02

CODEC = CodecFacts.of(
    (16,) * 8, 75.0, name="tiny", sample_rate=24_000, dimension=4, sha256="ab", licence="CC0"
)
PROVENANCE = Provenance(
    git_commit="0", git_dirty=False, versions={}, hardware={}, started="2026-01-01", seconds=1.0
)


def facts(name: str) -> MethodFacts:
    method, _, variant = name.partition("/")
    params: dict[str, Any] = {"target": variant} if variant else {}
    return MethodFacts(
        name=method, variant=variant, kind="method", summary="", equation="", source="",
        target="z", conditions_on=("x1",), layered=False, needs=(), teacher=None,
        params={"deterministic": False} if method == "bridge" else params, backbone={},
    )  # fmt: skip


class Builder:
    """Writes the records of one run."""

    def __init__(self, root: Path) -> None:
        self.store, self.random = Store.create(root), np.random.default_rng(3)
        self.evaluations: list[str] = []
        self.scores: list[str] = []

    def build(self) -> None:
        for name in LEVELS:
            for size in SIZES:
                for seed in range(SEEDS):
                    trial = self.trial(name, size, seed)
                    for checkpoint in ("last", "best"):
                        for nfe in NFES if name == "bridge" else (1,):
                            for split in ("test", "valid") if nfe > 1 else ("test",):
                                self.evaluation(name, trial, checkpoint, nfe, split)
        chosen = Selection(metric="estoi", split="valid")
        self.store.replace(
            RunRecord(
                id="known", title="SYNTHETIC", config={}, selection=chosen,
                evaluations=tuple(self.evaluations), scores=tuple(self.scores),
            )
        )  # fmt: skip

    def trial(self, name: str, size: str, seed: int) -> TrialRecord:
        # On little data regression's validation loss rises again after step 20.
        rise = 0.5 if size == "10%" and name.startswith("regression") else -0.1
        valid = (2.0, 1.0, 1.0 + rise)
        record = TrialRecord(
            id=f"{name}-{size}-{seed}".replace("/", "-").replace("%", ""), method=facts(name),
            codec=CODEC, seed=seed, training={}, teacher=None, parameters=1, critic_parameters=0,
            data_size=DataSize(label=size, hours=SIZES[size], utterances=9, voices=3),
            steps=30, frames=1, flops=1.0, seconds=1.0, stalled_seconds=0.0, ranks=1,
            best_step=20 if rise > 0 else 30, weights_sha256={"last": "a", "best": "b"},
            curve=tuple(
                CurvePoint(step=10 * (i + 1), seconds=1.0, train=1.0, valid=value)
                for i, value in enumerate(valid)
            ),
            provenance=PROVENANCE,
        )  # fmt: skip
        with self.store.commit("trials", record.id) as folder:
            write_record(folder, record)
        return record

    def evaluation(
        self, name: str, trial: TrialRecord, checkpoint: Any, nfe: int, split: str
    ) -> None:
        rows = [(f"{split}{i}", f"speaker{i % SPEAKERS}") for i in range(SPEAKERS * EACH)]
        record = EvaluationRecord(
            id=f"{trial.id}-{checkpoint}-{nfe}-{split}", trial=trial.id, checkpoint=checkpoint,
            method=trial.method, codec=CODEC, data_size=trial.data_size, nfe=nfe, layers=None,
            seed=trial.seed, sample=0, corpus="c", split=split, sample_rate=16_000,
            reference="none", counted_nfe=nfe, flops_per_second=1.0, real_time_factor=1.0,
            utterances=tuple(
                EvaluatedUtterance(
                    id=row, speaker=speaker, voice=speaker, language="en", seconds=1.0,
                    transcript=None, audio="a.flac", audio_sha256="a", reference_sha256="b",
                    synthesis_seconds=1.0,
                )
                for row, speaker in rows
            ),
            provenance=PROVENANCE,
        )  # fmt: skip
        with self.store.commit("evaluations", record.id) as folder:
            write_record(folder, record)
        self.evaluations.append(record.id)
        level, loss = LEVELS[name]
        level -= loss if trial.data_size.label == "10%" else 0.0
        level += GAIN_PER_DOUBLING * (math.log2(nfe) - 2) if name == "bridge" else 0.0
        for metric in METRICS if split == "test" else ["estoi"]:
            self.score(record.id, metric, level, rows)

    def score(self, evaluation: str, metric: str, level: float, rows: Any) -> None:
        errors = metric == "dwer"
        table = pd.DataFrame(
            [
                {
                    "utterance": row, "speaker": speaker, "metric": metric, "status": "scored",
                    "value": value, "reason": None, "text": None,
                    "errors": 100 * value if errors else None, "words": 100 if errors else None,
                }
                for row, speaker in rows
                for value in [level + self.random.normal(0, NOISE)]
            ]
        )[SCORE_COLUMNS]  # fmt: skip
        kind = {"aggregator": "ratio" if errors else "mean", "higher_is_better": METRICS[metric]}
        record = ScoreRecord(
            id=f"{evaluation}-{metric}", evaluation=evaluation, resampling="", scored=len(table),
            not_applicable=0, missing=0, of=len(table), seconds=1.0, versions={},
            metric={"name": metric, "label": metric, "version": "1", "unit": "", **kind},
        )  # fmt: skip
        with self.store.commit("scores", record.id) as folder:
            table.to_parquet(folder / "table.parquet")
            write_record(folder, record)
        self.scores.append(record.id)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("known")
    Builder(folder).build()
    return folder


@pytest.fixture
def copied(root: Path, tmp_path: Path) -> Store:
    """The store of known effects, to be changed."""
    shutil.copytree(root, tmp_path / "store")
    return Store.open(tmp_path / "store")


@pytest.fixture(scope="module")
def found(root: Path) -> Findings:
    return study_findings(root, None, "last")


def contrast(
    found: Findings, finding: str, words: str, metric: str, checkpoint: str = "last"
) -> Any:
    (split,) = found.splits
    (one,) = [
        c
        for c in split.contrasts
        if c.finding == finding
        and words in c.title
        and c.metric == metric
        and c.checkpoint == checkpoint
    ]
    return one


# Means of 24 utterances x 2 seeds have an error of NOISE / sqrt(48) = 0.0014 each; a sum of four of
# them 0.0029, and 0.012 is four times that.
BOUND = 0.012


def test_known_differences_are_found_and_judged(found: Findings) -> None:
    tokens = contrast(found, "F1", "parallel_tokens", "visqol")
    assert tokens.difference.mean == pytest.approx(0.10, abs=BOUND)
    assert (tokens.verdict, tokens.difference.speakers) == ("confirmed", SPEAKERS)
    assert contrast(found, "F1", WORSE, "visqol").verdict == "contradicted"
    equal = contrast(found, "F1", "embedding", "visqol")
    assert abs(equal.difference.mean) < BOUND
    assert "confirmed" != equal.verdict != "contradicted"


def test_errors_are_claimed_to_be_lower(found: Findings) -> None:
    more = contrast(found, "F2", "parallel_tokens", "dwer")  # regression has more errors here
    assert more.difference.mean == pytest.approx(0.10, abs=BOUND)
    assert more.verdict == "contradicted"
    assert contrast(found, "F2", "coarse_to_fine", "dwer").verdict == "confirmed"


def test_what_data_gives_is_a_difference_of_differences(found: Findings) -> None:
    for checkpoint in ("last", "best"):
        one = contrast(found, "F3", "coarse_to_fine", "estoi", checkpoint)
        assert one.difference.mean == pytest.approx(0.10 - 0.02, abs=BOUND)
        assert one.verdict == "confirmed"
    assert contrast(found, "F3", "bridge", "estoi").difference.mean == pytest.approx(
        0.09, abs=BOUND
    )


def test_the_slope_over_nfe_is_per_doubling(found: Findings) -> None:
    quality, errors = (contrast(found, "F4", "slope", name) for name in ("visqol", "dwer"))
    for one in (quality, errors):
        assert one.difference.mean == pytest.approx(GAIN_PER_DOUBLING, abs=0.003)
        assert one.verdict == "confirmed"


def test_the_bridge_enters_at_the_nfe_chosen_on_validation(found: Findings) -> None:
    assert found.splits[0].bridge_nfe == max(NFES)
    one = contrast(found, "F2", "bridge", "dwer")
    assert one.difference.mean == pytest.approx(0.70 - (0.68 + GAIN_PER_DOUBLING), abs=BOUND)


def test_seeds_are_pooled_and_shown(found: Findings) -> None:
    one = contrast(found, "F1", "parallel_tokens", "estoi")
    assert len(one.by_seed) == SEEDS
    assert np.mean(one.by_seed) == pytest.approx(one.difference.mean)
    assert one.difference.n == SPEAKERS * EACH  # utterances, not utterances times seeds


def test_listeners_were_not_asked(found: Findings) -> None:
    verdicts = {c.verdict for split in found.splits for c in split.contrasts if c.metric == "MOS"}
    assert verdicts == {"not measured"}


def test_holm_corrects_over_a_finding(found: Findings) -> None:
    family = [c for c in found.splits[0].contrasts if c.finding == "F1" and c.difference]
    raw = sorted(c.difference.p for c in family if c.difference)
    assert min(c.p_holm for c in family) == pytest.approx(raw[0] * len(family))


def test_trials_past_their_minimum_are_counted(found: Findings) -> None:
    past = {(one.label, one.size): one for one in found.curves}
    little = past["regression/z", "10%"]
    assert (little.trials, little.past, little.best_step, little.steps) == (SEEDS, SEEDS, 20, 30)
    assert little.rise == pytest.approx(0.5)
    assert past["regression/z", "100%"].past == 0


def test_the_hybrid_is_held_against_both_parents(found: Findings) -> None:
    for parent in ("regression to z", "bridge"):
        one = contrast(found, "open", f"hybrid - {parent}", "speaker_similarity")
        assert one.verdict == "confirmed"


def test_without_selection_the_bridge_is_not_measured(copied: Store) -> None:
    (run,) = copied.runs()
    copied.replace(run.model_copy(update={"selection": None}))
    found = study_findings(copied.root, None, "last")
    assert all(split.bridge_nfe is None for split in found.splits)
    slopes = [c for split in found.splits for c in split.contrasts if c.finding == "F4"]
    assert {c.verdict for c in slopes} == {"not measured"}


def test_the_command_prints_tables_and_json(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "findings.md"
    assert main(["study", "findings", str(root), "--json", "--out", str(out)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {c["finding"] for c in shown["splits"][0]["contrasts"]} == {
        *("F1", "F2", "F3", "F4", "open")
    }
    text = out.read_text()
    assert "### F3: With little data one-step regression loses most" in text
    assert "| regression/z | 10% | 2 | 2 | 20 | 30 | 50.0% |" in text


def test_an_unfinished_run_is_exit_code_1(copied: Store) -> None:
    copied.discard("scores", sorted(copied.finished("scores"))[0])
    assert main(["study", "findings", str(copied.root)]) == 1


def test_several_runs_need_a_configuration(copied: Store) -> None:
    (run,) = copied.runs()
    copied.replace(run.model_copy(update={"id": "other"}))
    with pytest.raises(UserError, match="holds the runs known, other"):
        study_findings(copied.root, None, "last")
