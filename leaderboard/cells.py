"""How values are written: numbers, intervals, coverage, and why a value is not there."""

from __future__ import annotations

import math
from dataclasses import dataclass

from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import Difference, Estimate
from leaderboard.systems import Scores

MINUS, TIMES, DASH = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """One table cell. `sort` is a number as text, or empty: sorted last in both directions."""

    text: str
    margin: str = ""
    sort: str = ""
    state: str = "value"
    notes: tuple[str, ...] = ()
    title: str = ""
    top: bool = False


def decimals(metric: MetricKey) -> int:
    """Return the digits to show: two for scales that span several units, else three."""
    wide = metric.unit == "dB" or (metric.upper_bound is not None and metric.upper_bound > 2)
    return 2 if wide else 3


def number(value: float, digits: int, sign: bool = False) -> str:
    """Write a number with a true minus; infinite is ∞, undefined is an en dash."""
    if math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", MINUS)


def p_text(p: float) -> str:
    """Write a p-value."""
    if math.isnan(p):
        return "no test"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def significant(value: float) -> str:
    """Write a cost with three significant digits."""
    if value == 0:
        return "0"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e5 else f"{value:.2e}"


def score_cell(
    scores: Scores | None,
    metric: MetricKey,
    value: Estimate | None,
    top: bool = False,
    usual: tuple[int, int] | None = None,
) -> Cell:
    """Write a score: its mean and interval, or which of three reasons it is not there.

    `usual` is the column's number of rows and of not-applicable ones; departures are noted.
    """
    if scores is None:
        return Cell("not run", state="pending", title="Not evaluated by this metric (yet)")
    lost, apart = scores.count("missing"), scores.count("not applicable")
    if value is None:
        return _absent(scores, lost)
    notes: tuple[str, ...] = (f"{lost} missing",) if lost else ()
    if usual and usual != (len(scores.table), apart):
        notes += (f"n = {value.n} of {scores.record.of}",)
    title = f"{metric.label}: {value.n} of {scores.record.of} utterances, {_voices(value)}"
    if value.infinite:
        return _infinite(value, metric, notes, title)
    digits = decimals(metric)
    half = (value.high - value.low) / 2
    interval = f"95 % CI {number(value.low, digits)} to {number(value.high, digits)}"
    no_interval = math.isnan(half)
    return Cell(
        text=number(value.mean, digits),
        margin="no CI" if no_interval else f"±{number(half, digits)}",
        sort=repr(value.mean),
        notes=notes,
        title=f"{title}; {'no interval' if no_interval else interval}",
        top=top,
    )


def difference_text(difference: Difference, digits: int) -> tuple[str, str]:
    """Write a difference and its interval."""
    mean = number(difference.mean, digits, sign=True)
    if math.isnan(difference.low):
        return mean, "no interval"
    low, high = (number(end, digits, sign=True) for end in (difference.low, difference.high))
    return mean, f"[{low}, {high}]"


def _infinite(value: Estimate, metric: MetricKey, notes: tuple[str, ...], title: str) -> Cell:
    finite = value.n - value.infinite
    if finite:
        rest = number(value.finite_mean, decimals(metric))
        notes += (f"other {finite}: {rest}",)
    return Cell(
        text=f"{number(value.mean, 0)} {TIMES}{value.infinite}",
        sort=repr(value.mean).replace("inf", "Infinity"),
        state="infinite",
        notes=notes,
        title=f"{title}; {value.infinite} values are infinite",
    )


def _absent(scores: Scores, lost: int) -> Cell:
    status = "missing" if lost else "not applicable"
    rows = scores.table[scores.table["status"] == status]
    reasons = sorted({str(reason) for reason in rows["reason"].dropna()})
    return Cell(
        text="missing" if lost else "n/a",
        state="missing" if lost else "not-applicable",
        notes=(f"{lost} of {len(scores.table)}",) if lost else (),
        title=f"{status}: {'; '.join(reasons[:3])}",
    )


def _voices(value: Estimate) -> str:
    if value.conditional:
        return "one voice (interval conditional on this voice)"
    return f"{value.speakers} voices"
