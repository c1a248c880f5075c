"""How one command is added to the parser, with its help and an example."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Parsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(
    groups: Parsers, name: str, command: str, about: str, example: str
) -> argparse.ArgumentParser:
    """Add one command with its help and an example."""
    found: argparse.ArgumentParser = groups.add_parser(
        name, help=about, description=about, epilog=f"example: {example}"
    )
    found.set_defaults(command=f"harness.commands.{command}")
    return found


def add_group(groups: Parsers, name: str, about: str) -> Parsers:
    """Add a group of commands."""
    group = groups.add_parser(name, help=about, description=about)
    commands: Parsers = group.add_subparsers(metavar="COMMAND", required=True)
    return commands


def add_loader(command: argparse.ArgumentParser) -> None:
    """Add what a corpus' loader takes."""
    command.add_argument("--root", help="the corpus' folder")
    command.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a loader's option, e.g. sample_rate=16000 (repeatable)",
    )
