"""`resynth score`: any two folders of audio, scored as the benchmark scores."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

import pandas as pd
from pydantic import Field, ValidationError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from harness.commands.choice import metric_names
from harness.commands.output import print_json, print_table
from harness.config import MetricConfig, Strict, explain, read_yaml
from harness.errors import UserError, WorkFailed
from harness.planner import plan_metrics
from harness.scoring.compare import score_pairs
from harness.scoring.folders import Options, Paired, pair_folders
from harness.scoring.items import Spec
from harness.scoring.known import KnownRows
from harness.scoring.pool import Pool
from harness.scoring.table import (
    HEADER,
    Summary,
    check_out,
    printed,
    summarise,
    write_table,
)

SHOWN = 10


def score(options: Namespace) -> int:
    """Score estimates against references; 1 if a score is missing."""
    out = Path(options.out) if options.out else None
    if out:
        check_out(out)
    specs = chosen_specs(options.metrics)
    paired = pair_folders(
        Path(options.estimates),
        Path(options.reference),
        Path(options.transcripts) if options.transcripts else None,
        Options(options.padding, options.resample, options.language, options.speaker_folders),
    )
    cache = Path(options.cache) if options.cache else default_cache()
    processes = options.processes or len(os.sched_getaffinity(0))
    with (
        Pool(processes, cache / "prepared", options.time_limit) as pool,
        KnownRows(cache / "scores.sqlite") as known,
        Bar() as bar,
    ):
        table = score_pairs(pool, paired, specs, known, bar.begin, bar.tick)
    by_metric = dict(list(table.groupby("metric", sort=False)))
    summaries = [summarise(spec.build(), by_metric[spec.build().facts.name]) for spec in specs]
    if out:
        write_table(out, table, summaries)
    show(options, paired, summaries)
    missing = table[table["status"] == "missing"]
    if len(missing):
        raise WorkFailed(summary_of(missing, len(table)))
    return 0


def chosen_specs(text: str | None) -> list[Spec]:
    """Return the metrics of --metrics a,b or FILE, or all that are installed and look at audio.

    Raises UserError for an unknown one, and two of one name.
    """
    if text is not None and Path(text).suffix in (".yaml", ".yml"):
        return listed_specs(Path(text))
    listed = plan_metrics([MetricConfig(name=name) for name in metric_names(text)])
    return [planned.spec for planned in listed.values()]


def listed_specs(path: Path) -> list[Spec]:
    """Return the metrics of a file, with their parameters and variants."""
    try:
        listed = MetricList.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, MetricList)}") from error
    for metric in listed.metrics:
        if metric.utterances is not None:
            raise UserError(f"{path}: metrics: 'utterances' is for runs; remove it")
    return [planned.spec for planned in plan_metrics(listed.metrics).values()]


class MetricList(Strict):
    """A file of metrics, listed as in a run's configuration."""

    metrics: list[MetricConfig] = Field(min_length=1)


def default_cache() -> Path:
    """Return where scores and the references' side are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "resynth"


class Bar:
    """A progress bar on standard error, where that is a terminal."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        console = Console(stderr=True)
        self.bar = Progress(
            *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
        )
        self.task: TaskID | None = None

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def begin(self, total: int, known: int) -> None:
        """Show how much there is to do."""
        if known:
            print(f"{known} of {total} scores are known from before", file=sys.stderr)
        self.task = self.bar.add_task("scores", total=total, completed=known)

    def tick(self, rows: int) -> None:
        """Show that rows are done."""
        if self.task is not None:
            self.bar.advance(self.task, rows)


def show(options: Namespace, paired: Paired, summaries: list[Summary]) -> None:
    """Print the summary as a table, or as JSON."""
    if options.json:
        print_json([summary.as_dict() for summary in summaries])
        return
    print_table(HEADER, [printed(summary) for summary in summaries])
    print(f"\n{len(paired.items)} pairs; intervals are over {paired.clusters}")
    if paired.unused_transcripts:
        print(f"{paired.unused_transcripts} transcripts are of utterances that have no reference")


def summary_of(missing: pd.DataFrame, total: int) -> str:
    """Say what is missing, and why, in a few lines."""
    first = missing[["metric", "utterance", "reason"]].head(SHOWN).itertuples(index=False)
    lines = [f"{metric}, {utterance}: {reason}" for metric, utterance, reason in first]
    more = [f"and {len(missing) - SHOWN} more"] if len(missing) > SHOWN else []
    shown = "\n  ".join([*lines, *more])
    return f"{len(missing)} of {total} scores are missing:\n  {shown}\nrun it again to retry them"
