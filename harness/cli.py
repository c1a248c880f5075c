"""The `resynth` command line: parses, calls one command, and turns errors into exit codes.

0 complete; 1 it ran, but something failed or is missing; 2 bad input.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import TypeAlias

from harness.errors import UserError, WorkFailed

Parsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    module, function = options.command.split(":")
    try:
        code: int = getattr(importlib.import_module(module), function)(options)
    except UserError as error:
        print(f"resynth: {error}", file=sys.stderr)
        return 2
    except WorkFailed as error:
        print(f"resynth: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("resynth: stopped; the same command continues with what is missing", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `resynth ... | head`
        sys.stderr.close()
        return 0
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="resynth",
        description="Benchmark and leaderboard for neural codec resynthesis of speech.",
        epilog="example: resynth run configs/quick.yaml",
    )
    groups = top.add_subparsers(metavar="COMMAND", required=True)
    add_run_commands(groups)
    add_data_commands(groups)
    add_codec_commands(groups)
    add_catalog_commands(groups)
    return top


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


def add_run_commands(groups: Parsers) -> None:
    """Add plan, run, publish, serve, doctor."""
    plan = add(
        groups,
        "plan",
        "running:plan",
        "print trials and evaluations, and what is done",
        "resynth plan configs/quick.yaml --json",
    )
    run = add(
        groups,
        "run",
        "running:run",
        "train, evaluate, score and publish what is missing",
        "resynth run configs/quick.yaml --store runs/quick",
    )
    for one in (plan, run):
        one.add_argument("config", help="a YAML file, or the name of one that ships (quick, smoke)")
        one.add_argument("--store", help="store folder (default: the configuration's)")
    plan.add_argument("--json", action="store_true", help="print JSON")
    run.add_argument("--site", help="site folder (default: the configuration's)")
    run.add_argument("--address", help="address of a Ray cluster (default: start Ray here)")
    publish = add(
        groups,
        "publish",
        "running:publish",
        "build the leaderboard from a store",
        "resynth publish --store runs/quick --out site",
    )
    publish.add_argument("--store", required=True, help="store folder")
    publish.add_argument("--out", required=True, help="site folder")
    serve = add(
        groups,
        "serve",
        "serving:serve",
        "preview the leaderboard on this machine",
        "resynth serve site --port 8000",
    )
    serve.add_argument("site", nargs="?", default="site", help="site folder")
    serve.add_argument("--port", type=int, default=0, help="port (default: a free one)")
    doctor = add(
        groups,
        "doctor",
        "doctor:doctor",
        "say what is installed and missing, and what that costs",
        "resynth doctor",
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")


def add_data_commands(groups: Parsers) -> None:
    """Add data info, verify, fetch."""
    data = add_group(groups, "data", "look at, check and download corpora")
    info = add(data, "info", "data:info", "show a corpus' splits", "resynth data info embedded")
    verify = add(
        data,
        "verify",
        "data:verify",
        "read and check every utterance",
        "resynth data verify librispeech --root LibriSpeech",
    )
    for one in (info, verify):
        one.add_argument(
            "kind", help="embedded, librispeech, librilight, folder, conversations, manifest"
        )
        one.add_argument("--root", help="the corpus' folder")
        one.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a loader's option, e.g. sample_rate=16000 (repeatable)",
        )
        one.add_argument(
            "--split", action="append", default=[], help="only these splits (repeatable)"
        )
        one.add_argument("--json", action="store_true", help="print JSON")
    fetch = add(
        data,
        "fetch",
        "data:fetch",
        "download a subset from its official site, resuming",
        "resynth data fetch librispeech test-clean --root data",
    )
    fetch.add_argument("kind", help="librispeech or librilight")
    fetch.add_argument("subset", help="e.g. test-clean, train-clean-100, small")
    fetch.add_argument("--root", required=True, help="folder to unpack into")


def add_codec_commands(groups: Parsers) -> None:
    """Add codec info, train."""
    codec = add_group(groups, "codec", "look at and train codecs")
    info = add(
        codec,
        "info",
        "codec:info",
        "show a codec's geometry, bit rate and hash",
        "resynth codec info tiny",
    )
    info.add_argument("name", help="tiny or encodec")
    info.add_argument("--weights", help="weights file (default: the codec's own place)")
    info.add_argument("--bandwidth", type=float, help="EnCodec's bandwidth in kb/s")
    info.add_argument("--json", action="store_true", help="print JSON")
    train = add(
        codec,
        "train",
        "codec:train",
        "train the tiny codec",
        "resynth codec train configs/codec-tiny.yaml --out tiny.safetensors",
    )
    train.add_argument("config", help="a YAML file, or the name of one that ships")
    train.add_argument("--out", required=True, help="weights file to write")


def add_catalog_commands(groups: Parsers) -> None:
    """Add methods list, show and metrics list, show."""
    for name in ("methods", "metrics"):
        group = add_group(groups, name, f"list and show {name}")
        listing = add(
            group, "list", f"catalog:list_{name}", f"list the {name}", f"resynth {name} list"
        )
        example = {"methods": "bridge", "metrics": "visqol"}[name]
        show = add(
            group,
            "show",
            f"catalog:show_{name}",
            f"show one of the {name}",
            f"resynth {name} show {example}",
        )
        show.add_argument("name", help="its name")
        for one in (listing, show):
            one.add_argument("--json", action="store_true", help="print JSON")


if __name__ == "__main__":
    sys.exit(main())
