"""Arguments of `resynth study`."""

from __future__ import annotations

import argparse

from harness.arguments.base import Parsers, add, add_group


def add_study_commands(groups: Parsers) -> None:
    """Add study codebooks, domains, findings, sensitivity."""
    study = add_group(groups, "study", "questions that take several runs")
    codebooks = add(
        study,
        "codebooks",
        "study:codebooks",
        "refit a codec's codebooks and set quantization error against resynthesis quality",
        "resynth study codebooks --store runs/codebooks",
    )
    add_run_options(codebooks, "codebooks")
    domains = add(
        study,
        "domains",
        "study:domains",
        "evaluate trained systems on other voices, languages, read and telephone speech",
        "resynth study domains --root data --store runs/quick",
    )
    domains.add_argument("--root", help="folder of the corpora (default: the configuration's)")
    add_run_options(domains, "domains")
    findings = add(
        study,
        "findings",
        "study:findings",
        "set the paper's findings against a run: contrasts with intervals, and verdicts",
        "resynth study findings findings --store runs/findings --out findings.md",
    )
    findings.add_argument("place", help="a store with one run, or the configuration of a run")
    findings.add_argument("--store", help="store folder (default: the configuration's)")
    findings.add_argument(
        "--checkpoint",
        choices=("last", "best"),
        default="last",
        help="weights that F1, F2 and F4 are of (default: last); F3 has both",
    )
    findings.add_argument("--out", help="write Markdown to this file")
    findings.add_argument("--json", action="store_true", help="print JSON")
    sensitivity = add(
        study,
        "sensitivity",
        "study:sensitivity",
        "put known artefacts into references at graded levels: which metric sees what",
        "resynth study sensitivity --store runs/sensitivity",
    )
    add_run_options(sensitivity, "sensitivity")


def add_run_options(study: argparse.ArgumentParser, shipped: str) -> None:
    """Add what every study takes that runs a configuration."""
    study.add_argument(
        "config", nargs="?", default=shipped, help="a YAML file (default: the one that ships)"
    )
    study.add_argument("--store", help="store folder (default: the configuration's)")
    study.add_argument("--site", help="site folder (default: the configuration's)")
    study.add_argument("--address", help="address of a Ray cluster (default: start Ray here)")
