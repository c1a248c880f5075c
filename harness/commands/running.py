"""`resynth run` and `publish`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from harness.config import CONFIGS, Config, load_config
from harness.store import Store


def find_config(name: str) -> Path:
    """Return a configuration's path: a file as given, or one that ships with the project."""
    given = Path(name)
    shipped = CONFIGS / given.with_suffix(".yaml").name
    return shipped if not given.exists() and shipped.exists() else given


def run(options: Namespace) -> int:
    """Execute a configuration."""
    from harness.run import run as execute

    config: Config = load_config(find_config(options.config))
    site = Path(options.site or config.site)
    report = execute(config, Path(options.store or config.store), site, options.address)
    work = (
        f"{report.jobs} jobs in {report.seconds / 60:.1f} min"
        if report.jobs
        else "nothing was left to do"
    )
    print(f"{config.name}: {work}; open {site / 'index.html'}")
    return 0


def publish(options: Namespace) -> int:
    """Build the site from a store."""
    from leaderboard.render import publish as build

    build(Store.open(Path(options.store)), Path(options.out))
    print(f"open {Path(options.out) / 'index.html'}")
    return 0
