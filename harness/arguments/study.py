"""Arguments of `resynth study`."""

from __future__ import annotations

from harness.arguments.base import Parsers, add, add_group


def add_study_commands(groups: Parsers) -> None:
    """Add study codebooks."""
    study = add_group(groups, "study", "questions that take several runs")
    codebooks = add(
        study,
        "codebooks",
        "study:codebooks",
        "refit a codec's codebooks and set quantization error against resynthesis quality",
        "resynth study codebooks --store runs/codebooks",
    )
    codebooks.add_argument(
        "config", nargs="?", default="codebooks", help="a YAML file (default: the one that ships)"
    )
    codebooks.add_argument("--store", help="store folder (default: the configuration's)")
    codebooks.add_argument("--site", help="site folder (default: the configuration's)")
    codebooks.add_argument("--address", help="address of a Ray cluster (default: start Ray here)")
