"""`resynth doctor`: what is installed, what is missing, and what that costs."""

from __future__ import annotations

import os
import shutil
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

from harness.codecs.catalog import codec_facts, discover
from harness.commands.output import print_json, print_table
from harness.config import CodecConfig
from harness.data.embedded import EmbeddedCorpus
from harness.errors import UserError
from metrics import registry
from metrics.base import MetricUnavailable

EMBEDDED = ("tiny", "tiny-codes")
NEEDED = {
    "torch": "nothing can be trained or synthesised",
    "ray": "nothing can run",
    "encodec": "no codec works",
    "pandas": "no tables, no site",
    "matplotlib": "no site",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for; `cost` says what its absence costs."""

    what: str
    state: str
    detail: str
    cost: str


def doctor(options: Namespace) -> int:
    """Print the findings; exit 1 if something needed is missing."""
    findings = [*packages(), *assets(), *metrics(), *tools()]
    if options.json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(
            ("what", "state", "detail", "without it"),
            [(f.what, f.state, f.detail, f.cost) for f in findings],
        )
    return 1 if any(finding.state == "missing" for finding in findings) else 0


def packages() -> Iterator[Finding]:
    """Look for the packages everything needs."""
    for name, cost in NEEDED.items():
        try:
            yield Finding(name, "ok", version(name), "")
        except PackageNotFoundError:
            yield Finding(name, "missing", "pip install resynth-bench", cost)
    try:
        yield Finding("transformers", "ok", version("transformers"), "")
    except PackageNotFoundError:
        hint = "pip install resynth-bench[codecs]"
        yield Finding("transformers", "optional", hint, "no DAC and no Mimi")


def assets() -> Iterator[Finding]:
    """Look for the embedded corpus, the embedded codecs, and the other codecs' weights."""
    try:
        yield Finding(
            "embedded corpus", "ok", f"{len(EmbeddedCorpus().utterances())} utterances", ""
        )
    except UserError as error:
        yield Finding("embedded corpus", "missing", str(error), "`make demo` cannot run")
    for name in discover():
        try:
            facts = codec_facts(CodecConfig(name=name))
            yield Finding(
                f"codec {name}", "ok", f"{facts.bit_rate / 1000:g} kb/s, {facts.sha256[:12]}", ""
            )
        except UserError as error:
            state = "missing" if name in EMBEDDED else "optional"
            yield Finding(
                f"codec {name}", state, str(error), f"configurations with codec {name} cannot run"
            )


def metrics() -> Iterator[Finding]:
    """Load every metric as a run would."""
    for name, metric in registry.discover().items():
        try:
            metric().load()
            yield Finding(f"metric {name}", "ok", metric.facts.version, "")
        except MetricUnavailable as error:
            state = "optional" if metric.optional else "missing"
            yield Finding(
                f"metric {name}", state, str(error), f"no {metric.facts.label} on the board"
            )


def tools() -> Iterator[Finding]:
    """Look at cores, memory, disk and the browser that slow tests use."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = shutil.disk_usage(".").free / 2**30
    yield Finding(
        "machine", "ok", f"{os.cpu_count()} cores, {memory:.0f} GiB, {disk:.0f} GiB disk free", ""
    )
    browser = shutil.which("chromium")
    state = "ok" if browser else "optional"
    yield Finding(
        "chromium", state, browser or "tests/install-chromium.sh", "browser tests are skipped"
    )
