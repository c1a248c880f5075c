"""`resynth data info`, `verify` and `fetch`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.commands.output import print_json, print_table
from harness.data import commands
from harness.data.corpus import Corpus
from harness.data.registry import open_corpus
from harness.errors import UserError


def opened(options: Namespace) -> Corpus:
    """Open the corpus a command names."""
    return open_corpus(options.kind, options.root, **loader_options(options.option))


def loader_options(texts: Sequence[str]) -> dict[str, object]:
    """Return --option NAME=VALUE, given any number of times, as keyword arguments."""
    pairs: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--option {text}: write it as NAME=VALUE")
        pairs[name] = value
    return pairs


def info(options: Namespace) -> int:
    """Show a corpus' splits."""
    facts: dict[str, Any] = commands.info(opened(options), options.split)
    if options.json:
        print_json(facts)
        return 0
    print(f"{facts['corpus']}: {facts['sample_rate']} Hz, {facts['licence']}\n")
    header = ("split", "utterances", "hours", "speakers", "voices", "languages", "transcripts")
    rows = [
        (
            name,
            s["utterances"],
            f"{s['hours']:.3f}",
            s["speakers"],
            s["voices"],
            ",".join(s["languages"]),
            s["transcripts"],
        )
        for name, s in facts["splits"].items()
    ]
    print_table(header, rows)
    return 0


def verify(options: Namespace) -> int:
    """Check every utterance; exit 2 if anything is wrong with the corpus."""
    problems = commands.verify(opened(options), options.split)
    if options.json:
        print_json({"problems": problems})
    for problem in () if options.json else problems:
        print(problem)
    if problems:
        raise UserError(
            f"{len(problems)} problems found in corpus '{options.kind}'; repair them as listed"
        )
    if not options.json:
        print("no problems found")
    return 0


def fetch(options: Namespace) -> int:
    """Download and unpack a subset."""
    from harness.data.fetch import fetch as download
    from harness.data.fetch import find_archive

    folder = download(find_archive(options.kind, options.subset), Path(options.root))
    print(f"{options.subset} is in {folder}")
    return 0
