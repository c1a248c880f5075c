"""A codec's rate-distortion curve as rows, JSON, tables and a figure."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from harness.records import CodecFacts
from leaderboard.metric_keys import MetricKey
from leaderboard.plots import DASHES, MARKERS, MUTED, SERIES, STYLE, plain, write_themed
from leaderboard.statistics import Estimate

NAME = "rate_distortion"
NAMES = ("codec", "opus")


@dataclass(frozen=True)
class Point:
    """One system: its rate (b/s), its cost, and its mean by every metric.

    `bit_rate` is computed (for Opus nominal), `measured_bit_rate` that of Opus' packets.
    """

    system: str
    method: str
    codes: int | None
    bit_rate: float | None
    measured_bit_rate: float | None
    latent_mse: float | None
    latent_db: float | None
    real_time_factor: float
    estimates: dict[str, Estimate]

    @property
    def rate(self) -> float | None:
        """The rate a curve shows: measured where it was."""
        return self.bit_rate if self.measured_bit_rate is None else self.measured_bit_rate


@dataclass(frozen=True)
class Report:
    """A codec's curve on one split. `variance` is z's; RTFs are encoder's and decoder's alone."""

    codec: CodecFacts
    corpus: str
    split: str
    utterances: int
    metrics: list[MetricKey]
    points: list[Point]
    encode_rtf: float
    decode_rtf: float
    threads: int
    processor: str
    variance: float


def header(report: Report) -> list[str]:
    """Return the printed table's columns."""
    labels = [metric.label for metric in report.metrics]
    return ["system", "codes", "kb/s", "measured", "z MSE", "z dB", *labels, "RTF"]


def printed(report: Report) -> list[list[str]]:
    """Return the printed table's rows; intervals are of 95 %."""
    return [
        [
            point.system,
            _cell(point.codes, "d"),
            _cell(point.bit_rate, "g", 1000),
            _cell(point.measured_bit_rate, ".2f", 1000),
            _cell(point.latent_mse, ".4g"),
            _cell(point.latent_db, ".2f"),
            *(_estimate(point.estimates.get(metric.name)) for metric in report.metrics),
            f"{point.real_time_factor:.3f}",
        ]
        for point in report.points
    ]


def _cell(value: float | None, form: str, unit: int = 1) -> str:
    if value is None:
        return "-"
    return format(value if unit == 1 else value / unit, form)


def _estimate(value: Estimate | None) -> str:
    if value is None:
        return "-"
    interval = f" [{value.low:.3f}, {value.high:.3f}]" if math.isfinite(value.low) else ""
    return f"{value.mean:.3f}{interval}"


def long_table(report: Report) -> pd.DataFrame:
    """Return one row per system and metric; absent values are empty."""
    rows = [
        {
            "system": point.system,
            "method": point.method,
            "codec": report.codec.name,
            "split": report.split,
            "codes": point.codes,
            "bit_rate": point.bit_rate,
            "measured_bit_rate": point.measured_bit_rate,
            "latent_mse": point.latent_mse,
            "latent_db": point.latent_db,
            "real_time_factor": point.real_time_factor,
            "metric": metric.name,
            "mean": point.estimates[metric.name].mean,
            "ci_low": point.estimates[metric.name].low,
            "ci_high": point.estimates[metric.name].high,
            "n": point.estimates[metric.name].n,
            "n_speakers": point.estimates[metric.name].speakers,
            "unit": metric.unit,
            "higher_is_better": metric.higher_is_better,
        }
        for point in report.points
        for metric in report.metrics
        if metric.name in point.estimates
    ]
    numbers = ["bit_rate", "measured_bit_rate", "latent_mse", "latent_db"]
    kinds: dict[str, Any] = {"codes": "Int64", **dict.fromkeys(numbers, "float64")}
    return pd.DataFrame(rows).astype(kinds)


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as plain JSON values; what is not finite becomes a word or null."""
    return {
        "codec": report.codec.model_dump(mode="json"),
        "corpus": report.corpus,
        "split": report.split,
        "utterances": report.utterances,
        "encode_rtf": report.encode_rtf,
        "decode_rtf": report.decode_rtf,
        "threads": report.threads,
        "processor": report.processor,
        "z_variance": report.variance,
        "systems": [_system(point) for point in report.points],
    }


def _system(point: Point) -> dict[str, Any]:
    scores = {
        name: {
            "mean": finite(value.mean),
            "ci_low": finite(value.low),
            "ci_high": finite(value.high),
            "n": value.n,
            "n_speakers": value.speakers,
        }
        for name, value in point.estimates.items()
    }
    return {
        "system": point.system,
        "method": point.method,
        "codes": point.codes,
        "bit_rate": point.bit_rate,
        "measured_bit_rate": point.measured_bit_rate,
        "latent_mse": point.latent_mse,
        "latent_db": point.latent_db,
        "real_time_factor": point.real_time_factor,
        "scores": scores,
    }


def finite(value: float) -> float | str | None:
    """Return a number JSON can hold: NaN becomes null, an infinity its name."""
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def write(report: Report, folder: Path) -> None:
    """Write rate_distortion.{csv,parquet,json} and .svg (light and dark) into a folder.

    The tables are `long_table`, the JSON is `as_json`.
    """
    folder.mkdir(exist_ok=True)
    table = long_table(report)
    table.to_csv(folder / f"{NAME}.csv", index=False, lineterminator="\n")
    table.to_parquet(folder / f"{NAME}.parquet", index=False)
    text = json.dumps(as_json(report), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / f"{NAME}.json").write_text(text + "\n", encoding="utf-8")
    write_themed(figure(report), folder, NAME)


def figure(report: Report) -> str:
    """Draw every metric against the bit rate: the codec's curve, Opus', and z as a level."""
    columns = 2 if len(report.metrics) > 1 else 1
    lines = math.ceil(len(report.metrics) / columns)
    with matplotlib.rc_context(STYLE):
        drawn = Figure(figsize=(4.4 * columns, 2.9 * lines), layout="constrained")
        FigureCanvasSVG(drawn)
        for number, metric in enumerate(report.metrics, 1):
            _panel(drawn.add_subplot(lines, columns, number), report, metric)
        handles, labels = drawn.axes[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside upper center", ncols=3)
        target = io.StringIO()
        drawn.savefig(target, format="svg", transparent=True, metadata={"Date": None})
    return target.getvalue()


def _panel(axes: Any, report: Report, metric: MetricKey) -> None:
    for index, name in enumerate(NAMES):
        label = report.codec.name if name == "codec" else "Opus"
        curve = [
            (point.rate / 1000, point.estimates[metric.name])
            for point in report.points
            if point.method == name and point.rate and metric.name in point.estimates
        ]
        rates, means = [rate for rate, _ in curve], [value.mean for _, value in curve]
        axes.plot(rates, means, color=SERIES[index], marker=MARKERS[index], markersize=4,
                  linestyle=DASHES[index], linewidth=1.5, label=plain(label))  # fmt: skip
        axes.vlines(rates, [value.low for _, value in curve], [value.high for _, value in curve],
                    color=SERIES[index], linewidth=1)  # fmt: skip
    for point in report.points:
        if point.method == "prequantized" and metric.name in point.estimates:
            axes.axhline(point.estimates[metric.name].mean, color=MUTED, linewidth=1,
                         linestyle=DASHES[3], label="z, not quantized")  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(base=2))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("kb/s")
    axes.set_ylabel(plain(f"{metric.label} ({metric.unit})" if metric.unit else metric.label))
