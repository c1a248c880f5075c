"""The published tables, in long format: one row per system, split and metric."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from leaderboard.board import Board
from leaderboard.codecs import codec_of_row
from leaderboard.compare import estimate
from leaderboard.selection import Choice
from leaderboard.systems import System

COLUMNS = [
    "system", "method", "variant", "codec", "bitrate", "data_size", "nfe", "layers", "seed",
    "sample", "split", "metric", "mean", "ci_low", "ci_high", "n", "n_speakers", "n_missing",
    "n_not_applicable", "unit", "higher_is_better",
]  # fmt: skip
COSTS = (
    ("real_time_factor", "seconds of computing per second of audio"),
    ("counted_nfe", "network calls per utterance"),
    ("flops_per_second", "floating-point operations per second of audio"),
)


def long_table(board: Board) -> pd.DataFrame:
    """Return one row per system, split and metric, with the columns of `COLUMNS`.

    `bitrate` is in bits per second: of the codes decoded for the anchor `codec`, Opus's own, else
    the codec's. `mean` is infinite, without an interval, where any value is; it is empty where
    nothing is scored. Costs are measured once per evaluation and have no interval. Splits that only
    choose an NFE are not here (see `selection_table`).
    """
    rows = [
        row
        for split in board.splits
        for system in board.systems_of(split)
        for row in _system_rows(board, system, split)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    whole = ["nfe", "layers", "seed", "sample", "n", "n_speakers", "n_missing", "n_not_applicable"]
    return table.astype(dict.fromkeys(whole, "Int64"))


def _system_rows(board: Board, system: System, split: str) -> Iterator[dict[str, Any]]:
    common = _facts(system, split)
    for metric in board.metrics:
        scores = system.scores_of(split, metric)
        if scores is None:
            continue
        value = estimate(scores, metric)
        yield common | {
            "metric": metric.name,
            "mean": value.mean if value else math.nan,
            "ci_low": value.low if value else math.nan,
            "ci_high": value.high if value else math.nan,
            "n": value.n if value else 0,
            "n_speakers": value.speakers if value else 0,
            "n_missing": scores.count("missing"),
            "n_not_applicable": scores.count("not applicable"),
            "unit": metric.unit,
            "higher_is_better": metric.higher_is_better,
        }
    record = system.evaluations[split]
    voices = len({utterance.speaker for utterance in record.utterances})
    for name, unit in COSTS:
        yield common | {
            "metric": name, "mean": float(getattr(record, name)), "ci_low": math.nan,
            "ci_high": math.nan, "n": len(record.utterances), "n_speakers": voices,
            "n_missing": 0, "n_not_applicable": 0, "unit": unit, "higher_is_better": False,
        }  # fmt: skip


def _facts(system: System, split: str) -> dict[str, Any]:
    record = system.evaluations[split]
    return {
        "system": system.slug,
        "method": record.method.name,
        "variant": record.method.variant,
        "codec": codec_of_row(record, system.codec),
        "bitrate": system.bit_rate,
        "data_size": system.data_label,
        "nfe": record.nfe,
        "layers": record.layers,
        "seed": record.seed,
        "sample": None if system.anchor else record.sample,
        "split": split,
    }


def selection_table(choices: list[Choice]) -> pd.DataFrame:
    """Return one row per network and candidate NFE: its mean on the selection split, the pick."""
    return pd.DataFrame(
        [
            {
                "run": choice.run, "trial": choice.network.trial, "method": choice.label,
                "checkpoint": choice.network.checkpoint, "codec": choice.codec,
                "data_size": choice.data_label, "seed": choice.seed, "split": choice.split,
                "metric": choice.metric.name, "nfe": candidate.nfe, "mean": candidate.mean,
                "chosen": candidate.nfe == choice.nfe,
            }
            for choice in choices
            for candidate in choice.candidates
        ],
        columns=["run", "trial", "method", "checkpoint", "codec", "data_size", "seed", "split",
                 "metric", "nfe", "mean", "chosen"],
    )  # fmt: skip


def write_tables(table: pd.DataFrame, folder: Path, name: str) -> None:
    """Write a table as NAME.csv, NAME.parquet and NAME.json (infinite as "inf", absent as null)."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    table.to_parquet(folder / f"{name}.parquet", index=False)
    rows = [
        {key: _json_value(value) for key, value in row.items()}
        for row in table.to_dict(orient="records")
    ]
    text = json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _json_value(value: Any) -> Any:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value.item() if hasattr(value, "item") else value
