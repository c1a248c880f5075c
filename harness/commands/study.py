"""`resynth study codebooks`, `study domains`, `study findings` and `study sensitivity`."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from harness.commands.output import print_json
from harness.commands.running import find_config
from harness.config import Config
from harness.errors import UserError
from harness.studies.codebooks import load_study, run_study
from harness.studies.domain_runs import run_study as run_domains
from harness.studies.domains import load_study as load_domains
from harness.studies.findings import study_findings
from harness.studies.sensitivity import load_sensitivity
from harness.studies.sensitivity import run_study as run_sensitivity


def codebooks(options: Namespace) -> int:
    """Run the codebook-size study; what is done already is kept."""
    config, study = load_study(find_config(options.config))
    store, site = places(options, config)
    run_study(config, study, store, site, options.address, say)
    print(f"{config.name}: open {site / 'codebooks.html'}")
    return 0


def domains(options: Namespace) -> int:
    """Evaluate trained systems on every kind of speech at hand; what is done already is kept."""
    found = load_domains(find_config(options.config), Path(options.root) if options.root else None)
    store, site = places(options, found.config)
    run_domains(found, store, site, options.address, say)
    print(f"{found.config.name}: open {site / 'domains.html'}")
    return 0


def findings(options: Namespace) -> int:
    """Print a run's findings; exit 1 if part of the run is not done."""
    store = Path(options.store) if options.store else None
    found = study_findings(find_config(options.place), store, options.checkpoint)
    if options.out:
        write(Path(options.out), found.markdown())
    if options.json:
        print_json(found.as_dict())
    elif not options.out:
        print(found.markdown())
    return 1 if found.unfinished else 0


def sensitivity(options: Namespace) -> int:
    """Run the sensitivity study; what is done already is kept."""
    config, study = load_sensitivity(find_config(options.config))
    store, site = places(options, config)
    run_sensitivity(config, study, store, site, options.address, say)
    print(f"{config.name}: open {site / 'sensitivity.html'}")
    return 0


def places(options: Namespace, config: Config) -> tuple[Path, Path]:
    """Return store and site: as the options say, else as the configuration does."""
    return Path(options.store or config.store), Path(options.site or config.site)


def write(path: Path, text: str) -> None:
    """Write a file. Raises UserError if it cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out {path}: cannot be written ({error.strerror})") from error
    say(f"wrote {path}")


def say(line: str) -> None:
    """Tell what goes on; results go to standard output, this does not."""
    print(line, file=sys.stderr)
