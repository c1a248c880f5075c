"""Arguments of `resynth score`."""

from __future__ import annotations

import argparse

from harness.arguments.base import Parsers, add


def add_score_command(groups: Parsers) -> None:
    """Add score."""
    score = add(
        groups,
        "score",
        "score:score",
        "score a folder of audio against a folder of references; exit 1 if a score is missing",
        "resynth score estimates --reference references --out scores.csv",
    )
    score.add_argument("estimates", help="a folder; its files are named as their references")
    score.add_argument("--reference", required=True, metavar="DIR", help="the references' folder")
    score.add_argument(
        "--transcripts",
        metavar="CSV",
        help="columns utterance, transcript and, if known, speaker and language",
    )
    score.add_argument(
        "--metrics",
        help="names separated by commas, or a .yaml file with a list `metrics` as in a run "
        "(default: all that are installed)",
    )
    score.add_argument("--out", metavar="FILE", help="rows as .csv, .parquet or .json")
    score.add_argument(
        "--padding",
        type=non_negative,
        default=0,
        metavar="SAMPLES",
        help="how much longer than its reference an estimate may be (default: 0)",
    )
    score.add_argument(
        "--resample", action="store_true", help="bring estimates to their references' rates"
    )
    score.add_argument("--language", help="of all utterances, e.g. en (a CSV may say otherwise)")
    score.add_argument(
        "--speaker-folders", action="store_true", help="the first folder of a path is its speaker"
    )
    score.add_argument("--processes", type=positive, help="processes (default: one per core)")
    score.add_argument(
        "--time-limit",
        type=seconds,
        default=300.0,
        metavar="SECONDS",
        help="the longest one metric may take for one utterance (default: 300)",
    )
    score.add_argument("--cache", metavar="DIR", help="where scores are kept between runs")
    score.add_argument("--json", action="store_true", help="print the summary as JSON")


def non_negative(text: str) -> int:
    """Parse a whole number of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, not {value}")
    return value


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def seconds(text: str) -> float:
    """Parse a positive number of seconds."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {value}")
    return value
