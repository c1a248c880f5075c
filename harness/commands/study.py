"""`resynth study codebooks`."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from harness.commands.running import find_config
from harness.studies.codebooks import load_study, run_study


def codebooks(options: Namespace) -> int:
    """Run the codebook-size study; what is done already is kept."""
    config, study = load_study(find_config(options.config))
    store, site = Path(options.store or config.store), Path(options.site or config.site)
    run_study(config, study, store, site, options.address, say)
    print(f"{config.name}: open {site / 'codebooks.html'}")
    return 0


def say(line: str) -> None:
    """Tell what goes on; results go to standard output, this does not."""
    print(line, file=sys.stderr)
