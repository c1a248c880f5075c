"""The `resynth` command line: parses, calls one command, and turns errors into exit codes.

0 complete; 1 it ran, but something failed or is missing; 2 bad input.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from harness.arguments.catalog import add_catalog_commands
from harness.arguments.codec import add_codec_commands
from harness.arguments.data import add_data_commands
from harness.arguments.running import add_run_commands
from harness.arguments.score import add_score_command
from harness.arguments.study import add_study_commands
from harness.errors import UserError, WorkFailed


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
    add_score_command(groups)
    add_data_commands(groups)
    add_codec_commands(groups)
    add_study_commands(groups)
    add_catalog_commands(groups)
    return top


if __name__ == "__main__":
    sys.exit(main())
