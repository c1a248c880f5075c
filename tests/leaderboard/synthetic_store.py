"""A small store of SYNTHETIC records: invented values and noise, to test pages, never to publish.

The record classes, the store and the files' formats are the real ones.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from synthetic_options import DEFAULT_METRICS as DEFAULT_METRICS
from synthetic_options import METHODS as METHODS
from synthetic_options import METRICS, Options
from synthetic_records import (
    ANCHORS,
    LAYERED,
    SIZES,
    TEACHERS,
    method_facts,
    provenance,
    trial_record,
)
from synthetic_records import codec as codec

from harness.records import (
    SCORE_COLUMNS,
    Checkpoint,
    EvaluatedUtterance,
    EvaluationRecord,
    MethodFacts,
    ReferenceRecord,
    RunRecord,
    ScoreRecord,
    Selection,
    TrialRecord,
)
from harness.store import Store, write_record


@dataclass(frozen=True)
class Use:
    """How a system's network is used; the defaults are an anchor's."""

    trial: TrialRecord | None = None
    checkpoint: Checkpoint | None = None
    nfe: int = 0
    layers: int | None = None

    @property
    def size(self) -> str:
        return self.trial.data_size.label.strip("%") if self.trial else "none"

    @property
    def suffix(self) -> str:
        """What is not the default, as part of an id."""
        parts = [str(self.layers) if self.layers and not self.trial else ""]
        parts += [f"-layers{self.layers}" if self.layers and self.trial else ""]
        parts += ["-best" if self.checkpoint == "best" else ""]
        parts += [f"-seed{self.trial.seed}" if self.trial and self.trial.seed else ""]
        return "".join(parts)


def build_store(root: Path, options: Options | None = None) -> Store:
    """Write a synthetic store and return it; its one run leaves `unfinished` scores undone."""
    return _Builder(Store.create(root), options or Options()).build()


class _Builder:
    def __init__(self, store: Store, options: Options) -> None:
        self.store = store
        self.options = options
        self.rng = np.random.default_rng(7)
        self.noise = _noise()
        self.evaluations: list[str] = []
        self.scores: list[str] = []

    def build(self) -> Store:
        for split, count in self.options.splits.items():
            self._reference(split, count)
        for index, facts in enumerate(self.options.codecs):
            self.codec, self.prefix = facts, f"{index}-" if index else ""
            self._codec_systems(first=index == 0)
        pending = tuple(f"pending{i}" for i in range(self.options.unfinished))
        run = RunRecord(
            id="synthetic",
            title="SYNTHETIC data for tests",
            config={},
            evaluations=(*self.evaluations, *pending[:1]),
            scores=(*self.scores, *pending),
            selection=Selection(metric="estoi", split="valid"),
        )
        self.store.replace(run)
        return self.store

    def _codec_systems(self, first: bool) -> None:
        for name, quality in ANCHORS.items():
            if first or name != "copy":
                self._system(name, quality, Use())
        for rate in self.options.opus if first else ():
            self._system(f"opus/{rate}", 0.5 + rate / 1e5, Use())
        for count in self.options.layers:
            self._system("codec", ANCHORS["codec"], Use(layers=count))
        for name, quality in self.options.methods.items():
            for size in self.options.sizes:
                for seed in self.options.seeds:
                    self._trained(name, quality, size, seed)

    def _utterances(self, split: str) -> list[tuple[str, str]]:
        count = self.options.splits[split]
        return [
            (f"{self.options.utterance_prefix}{i:02d}", f"speaker{i % self.options.speakers}")
            for i in range(count)
        ]

    def _reference(self, split: str, count: int) -> None:
        names = {name: f"{i}.flac" for i, (name, _) in enumerate(self._utterances(split))}
        with self.store.commit("references", f"ref-{split}") as folder:
            for file in names.values():
                (folder / file).write_bytes(self.noise)
            write_record(
                folder,
                ReferenceRecord(
                    id=f"ref-{split}", corpus="synthetic", licence="CC0 (noise)", split=split,
                    sample_rate=16_000, audio=names,
                ),
            )  # fmt: skip

    def _trial(self, name: str, size: str, seed: int) -> TrialRecord:
        """Return a trial, written once; of what trains nothing it is the teacher's."""
        if name in self.options.untrained:
            return self._trial(TEACHERS[name], size, seed)
        suffix = f"-seed{seed}" if seed else ""
        identity = f"trial-{self.prefix}{_file(name)}-{size.strip('%')}{suffix}"
        if not self.store.has("trials", identity):
            taught = TEACHERS.get(name)
            teacher = self._trial(taught, size, seed).id if taught else None
            changes = {"teacher": teacher} | self.options.trial_changes.get(name, {})
            facts = self._method(name)
            record = trial_record(identity, facts, self.codec, size, seed, **changes)
            with self.store.commit("trials", identity) as folder:
                write_record(folder, record)
        return self.store.trial(identity)

    def _method(self, system: str) -> MethodFacts:
        name = system.partition("/")[0]
        return method_facts(system, self.options.method_names.get(name, name))

    def _trained(self, name: str, quality: float, size: str, seed: int) -> None:
        trial = self._trial(name, size, seed)
        quality += 0.02 * list(SIZES).index(size) + 0.001 * seed
        layered = name in LAYERED and self.options.method_layers
        for checkpoint in self.options.checkpoints:
            better = quality + 0.01 * (checkpoint == "best")
            for layers in self.options.method_layers if layered else (None,):
                for nfe in self._nfes(name, layers):
                    use = Use(trial, checkpoint, nfe, layers)
                    cut = 0.01 * (layers - self.codec.codebooks) if layers else 0.0
                    self._system(name, better + cut - 0.01 * (nfe > 4), use)

    def _nfes(self, name: str, layers: int | None) -> tuple[int, ...]:
        if name == "coarse_to_fine":
            return ((layers or self.codec.codebooks) - 1,)
        return self.options.nfes if name == "bridge" else (1,)

    def _system(self, name: str, quality: float, use: Use) -> None:
        decoded = use.layers or self.codec.codebooks
        quality += self.options.effect(name, self.codec, decoded)
        for split in self.options.splits:
            identity = f"eval-{self.prefix}{_file(name)}{use.suffix}-{use.size}-{use.nfe}-{split}"
            rows = self._utterances(split)
            with self.store.commit("evaluations", identity) as folder:
                for i in range(len(rows)):
                    (folder / f"{i}.flac").write_bytes(self.noise)
                write_record(folder, self._evaluation(identity, name, use, split, rows))
            self.evaluations.append(identity)
            for metric in self.options.metrics if split != "valid" else ("estoi",):
                self._score(identity, name, metric, quality, rows)

    def _evaluation(
        self, identity: str, name: str, use: Use, split: str, rows: list[tuple[str, str]]
    ) -> EvaluationRecord:
        trial = use.trial
        utterances = tuple(
            EvaluatedUtterance(
                id=row, speaker=speaker, voice=speaker, language="en", seconds=3.2,
                transcript=self.options.transcript, audio=f"{i}.flac", audio_sha256="cd" * 32,
                reference_sha256="ef" * 32, synthesis_seconds=0.2,
            )
            for i, (row, speaker) in enumerate(rows)
        )  # fmt: skip
        return EvaluationRecord(
            id=identity, trial=trial.id if trial else None, checkpoint=use.checkpoint,
            method=self._method(name), codec=self.codec,
            data_size=trial.data_size if trial else None, nfe=use.nfe, layers=use.layers,
            seed=trial.seed if trial else None, sample=0, corpus="synthetic", split=split,
            sample_rate=16_000, reference=f"ref-{split}", counted_nfe=float(use.nfe),
            flops_per_second=2.1e8 * use.nfe, real_time_factor=0.011 + 0.004 * use.nfe,
            utterances=utterances, provenance=provenance(),
        )  # fmt: skip

    def _score(
        self, evaluation: str, system: str, metric: str, quality: float, rows: list[tuple[str, str]]
    ) -> None:
        scored = rows[: self.options.subsets.get(metric, len(rows))]
        table = pd.DataFrame(
            [self._row(system, metric, quality, i, *row) for i, row in enumerate(scored)],
            columns=SCORE_COLUMNS,
        )
        count = table["status"].value_counts()
        identity = f"score-{evaluation}-{metric}"
        with self.store.commit("scores", identity) as folder:
            table.to_parquet(folder / "table.parquet", index=False)
            write_record(
                folder,
                ScoreRecord(
                    id=identity, evaluation=evaluation, metric=_facts(metric),
                    resampling="soxr-hq", scored=int(count.get("scored", 0)),
                    not_applicable=int(count.get("not applicable", 0)),
                    missing=int(count.get("missing", 0)), of=len(rows), seconds=1.5,
                    versions={"numpy": "2"},
                ),
            )  # fmt: skip
        self.scores.append(identity)

    def _row(
        self, system: str, metric: str, quality: float, index: int, name: str, speaker: str
    ) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(SCORE_COLUMNS)
        row |= {"utterance": name, "speaker": speaker, "metric": metric, "status": "scored"}
        if metric == "pesq" and system == "regression" and index == 0:
            return row | {"status": "missing", "reason": self.options.missing_reason}
        _, _, _, ratio, _, base, slope, noise, _ = METRICS[metric]
        quality += self.options.tilt(system, metric)
        if ratio:
            if index == 1:
                return row | {"status": "not applicable", "reason": "no transcript"}
            errors = int(self.rng.binomial(10, float(np.clip(base + slope * quality, 0, 1))))
            text = f"{self.options.transcript} (read)"
            return row | {"value": errors / 10, "errors": errors, "words": 10, "text": text}
        if metric == "si_snr" and system == "copy":
            return row | {"value": float("inf")}
        shared = np.sin(index) * 2 * noise  # hard utterances are hard for every system
        return row | {"value": base + slope * quality + shared + noise * self.rng.normal() / 2}


def _file(name: str) -> str:
    return name.replace("/", "")


def _facts(name: str) -> dict[str, Any]:
    label, unit, higher, ratio, predicted, _, _, _, upper = METRICS[name]
    return {
        "name": name, "label": label, "kind": "reference", "unit": unit,
        "higher_is_better": higher, "sample_rate": 16_000, "version": "1", "source": "synthetic",
        "description": "A synthetic stand-in, for tests.", "lower_bound": None,
        "upper_bound": upper, "aggregator": "ratio" if ratio else "mean", "predicted": predicted,
        "slow": False,
    }  # fmt: skip


def _noise() -> bytes:
    target = io.BytesIO()
    samples = np.random.default_rng(0).normal(0, 0.05, 3200).astype(np.float32)
    soundfile.write(target, samples, 16_000, format="FLAC")
    return target.getvalue()
