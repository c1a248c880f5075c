"""A small store of SYNTHETIC records: invented values and noise, to test pages, never to publish.

The record classes, the store and the files' formats are the real ones.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from harness.records import (
    SCORE_COLUMNS,
    CodecFacts,
    CurvePoint,
    DataSize,
    EvaluatedUtterance,
    EvaluationRecord,
    MethodFacts,
    Provenance,
    ReferenceRecord,
    RunRecord,
    ScoreRecord,
    Selection,
    TrialRecord,
)
from harness.store import Store, write_record

ANCHORS = {"copy": 1.0, "prequantized": 0.80, "codec": 0.79, "coarse": 0.55}
METHODS = {"coarse_to_fine": 0.575, "parallel_tokens": 0.565, "regression": 0.60, "bridge": 0.605}
SIZES = {"10%": 0.12, "30%": 0.37, "100%": 1.2}
# name: label, unit, higher, ratio, predicted, base, slope over the 0..1 quality, noise, upper bound
METRICS: dict[str, tuple[str, str, bool, bool, bool, float, float, float, float | None]] = {
    "estoi": ("ESTOI", "correlation", True, False, False, 0.0, 1.0, 0.03, 1.0),
    "pesq": ("PESQ (wb)", "MOS-LQO", True, False, False, 0.4, 1.8, 0.1, 4.64),
    "visqol": ("ViSQOL (speech)", "MOS-LQO", True, False, False, 0.6, 3.0, 0.15, 5.0),
    "si_snr": ("SI-SNR", "dB", True, False, False, -12.0, 18.0, 1.5, None),
    "speaker_similarity": ("Speaker similarity", "cosine", True, False, False, 0.5, 0.4, 0.03, 1.0),
    "wer": ("WER", "errors per word", False, True, False, 0.9, -0.9, 0.0, None),
    "dnsmos": ("DNSMOS (predicted MOS)", "predicted MOS", True, False, True, 1.4, 1.7, 0.12, 5.0),
}


@dataclass
class Options:
    """What the synthetic store holds; the defaults make a store of a second."""

    splits: dict[str, int] = field(default_factory=lambda: {"test": 12, "valid": 6})
    speakers: int = 1
    sizes: tuple[str, ...] = ("10%", "100%")
    nfes: tuple[int, ...] = (1, 4)
    metrics: tuple[str, ...] = tuple(METRICS)
    method_names: dict[str, str] = field(default_factory=dict)
    missing_reason: str = "the recogniser crashed"
    utterance_prefix: str = "utt/"
    transcript: str = "please enter your number"
    unfinished: int = 0
    subsets: dict[str, int] = field(default_factory=dict)
    codecs: tuple[CodecFacts, ...] = field(default_factory=lambda: (codec(),))
    layers: tuple[int, ...] = ()  # the anchor `codec` from the first n codes
    opus: tuple[int, ...] = ()  # bit rates
    methods: dict[str, float] = field(default_factory=lambda: dict(METHODS))
    # (system, codec, its number of codes decoded) -> what to add to the system's quality
    effect: Callable[[str, CodecFacts, int], float] = lambda system, codec, count: 0.0


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
                self._system(name, quality, None, 0)
        for rate in self.options.opus if first else ():
            self._system(f"opus/{rate}", 0.5 + rate / 1e5, None, 0)
        for count in self.options.layers:
            self._system(f"codec/{count}", ANCHORS["codec"], None, 0)
        for name, quality in self.options.methods.items():
            for size in self.options.sizes:
                trial = self._trial(name, size)
                nfes = self.options.nfes if name == "bridge" else (_nfe(name),)
                for nfe in nfes:
                    gain = 0.02 * list(SIZES).index(size) - 0.01 * (nfe > 4)
                    self._system(name, quality + gain, trial, nfe)

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

    def _trial(self, name: str, size: str) -> TrialRecord:
        identity = f"trial-{self.prefix}{_file(name)}-{size.strip('%')}"
        curve = tuple(
            CurvePoint(step=s, seconds=s / 10, train=1 + 3 / (1 + s / 50),
                       valid=1.2 + 3 / (1 + s / 50) if s % 100 == 0 else None)
            for s in range(10, 510, 10)
        )  # fmt: skip
        record = TrialRecord(
            id=identity, method=self._method(name), codec=self.codec, seed=0,
            data_size=DataSize(label=size, hours=SIZES[size], utterances=100, voices=5),
            training={"steps": 500}, parameters=1_400_000, frames=450_000, curve=curve,
            weights_sha256="ab" * 32, provenance=_provenance(),
        )  # fmt: skip
        with self.store.commit("trials", identity) as folder:
            write_record(folder, record)
        return record

    def _method(self, system: str) -> MethodFacts:
        name, _, part = system.partition("/")
        anchor = name in (*ANCHORS, "opus")
        params: dict[str, Any] = {} if anchor else {"beta_max": 0.3}
        if part:
            key = {"codec": "first", "opus": "bit_rate"}.get(name, "target")
            params[key] = part if key == "target" else int(part)
        return MethodFacts(
            name=self.options.method_names.get(name, name), variant="" if anchor else part,
            kind="anchor" if anchor else "method", summary=f"Synthetic {name}.",
            equation="q(X_t | X_0, X_1)", source="arXiv 2410.22448", target="z",
            conditions_on=("reference",) if name in ("copy", "opus") else ("x1",), params=params,
            backbone={} if anchor else {"layers": 3, "width": 192},
        )  # fmt: skip

    def _system(self, name: str, quality: float, trial: TrialRecord | None, nfe: int) -> None:
        quality += self.options.effect(name, self.codec, _layers(name) or self.codec.codebooks)
        for split in self.options.splits:
            size = trial.data_size.label.strip("%") if trial else "none"
            identity = f"eval-{self.prefix}{_file(name)}-{size}-{nfe}-{split}"
            rows = self._utterances(split)
            with self.store.commit("evaluations", identity) as folder:
                for i in range(len(rows)):
                    (folder / f"{i}.flac").write_bytes(self.noise)
                write_record(folder, self._evaluation(identity, name, trial, nfe, split, rows))
            self.evaluations.append(identity)
            for metric in self.options.metrics if split != "valid" else ("estoi",):
                self._score(identity, name, metric, quality, rows)

    def _evaluation(
        self, identity: str, name: str, trial: TrialRecord | None, nfe: int, split: str,
        rows: list[tuple[str, str]],
    ) -> EvaluationRecord:  # fmt: skip
        utterances = tuple(
            EvaluatedUtterance(
                id=row, speaker=speaker, voice=speaker, language="en", seconds=3.2,
                transcript=self.options.transcript, audio=f"{i}.flac", audio_sha256="cd" * 32,
                reference_sha256="ef" * 32, synthesis_seconds=0.2,
            )
            for i, (row, speaker) in enumerate(rows)
        )  # fmt: skip
        return EvaluationRecord(
            id=identity, trial=trial.id if trial else None, method=self._method(name),
            codec=self.codec, data_size=trial.data_size if trial else None, nfe=nfe,
            layers=_layers(name),
            seed=trial.seed if trial else None, sample=0, corpus="synthetic", split=split,
            sample_rate=16_000, reference=f"ref-{split}", counted_nfe=float(nfe),
            flops_per_second=2.1e8 * nfe, real_time_factor=0.011 + 0.004 * nfe,
            utterances=utterances, provenance=_provenance(),
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


def _layers(name: str) -> int | None:
    name, _, part = name.partition("/")
    return int(part) if name == "codec" and part else None


def _nfe(name: str) -> int:
    return 7 if name == "coarse_to_fine" else 1


def _facts(name: str) -> dict[str, Any]:
    label, unit, higher, ratio, predicted, _, _, _, upper = METRICS[name]
    return {
        "name": name, "label": label, "kind": "reference", "unit": unit,
        "higher_is_better": higher, "sample_rate": 16_000, "version": "1", "source": "synthetic",
        "description": "A synthetic stand-in, for tests.", "lower_bound": None,
        "upper_bound": upper, "aggregator": "ratio" if ratio else "mean", "predicted": predicted,
        "slow": False,
    }  # fmt: skip


def codec(
    name: str = "tiny", sizes: tuple[int, ...] = (1024,) * 8, frame_rate: float = 75.0, **facts: Any
) -> CodecFacts:
    """Return facts of a codec that exists nowhere."""
    base: dict[str, Any] = {
        "sample_rate": 24_000, "dimension": 128, "licence": "Apache-2.0", "trained_on": ("noise",),
        "sha256": hashlib.sha256(name.encode()).hexdigest(),
    }  # fmt: skip
    return CodecFacts.of(sizes, frame_rate, name=name, **(base | facts))


def _provenance() -> Provenance:
    return Provenance(
        git_commit="0123456789abcdef", git_dirty=False, versions={"torch": "2.13.0"},
        hardware={"cpu": "synthetic", "cores": 2}, started="2026-11-22T12:00:00Z", seconds=12.5,
    )  # fmt: skip


def _noise() -> bytes:
    target = io.BytesIO()
    samples = np.random.default_rng(0).normal(0, 0.05, 3200).astype(np.float32)
    soundfile.write(target, samples, 16_000, format="FLAC")
    return target.getvalue()
