"""The study of domains in words: ranks, verdicts and what they rest on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from leaderboard.cells import DASH, number
from leaderboard.domains_agreement import Agreement
from leaderboard.domains_order import Order


def ranks(order: Order, label: str, higher_is_better: bool) -> tuple[int, int, int]:
    """Return a method's rank by its mean, and the best and worst rank that evidence leaves it."""
    at, sign = order.labels.index(label), 1 if higher_is_better else -1
    rank = 1 + int((sign * order.means > sign * order.means[at]).sum())
    worse, better = (int((order.evidence[at] == side).sum()) for side in (1, -1))
    return rank, 1 + better, len(order.labels) - worse


def rank_text(order: Order | None, label: str, higher_is_better: bool) -> str:
    """Write a rank with its range; empty for what is not ordered."""
    if order is None or label not in order.labels:
        return ""
    rank, low, high = ranks(order, label, higher_is_better)
    return f"rank {rank} ({low}{DASH}{high})" if low < high else f"rank {rank}"


def interval_text(found: Agreement) -> str:
    """Write tau's interval."""
    if math.isnan(found.low):
        return "no interval"
    return f"[{number(found.low, 2, sign=True)}, {number(found.high, 2, sign=True)}]"


def sentence(found: Agreement) -> str:
    """Say whether the ordering holds between two domains, and why that is said."""
    pairs = found.same + found.swapped + found.tied
    alike = f"{found.same} of {pairs} pairs of methods come out alike"
    if found.tied:
        alike += f", {found.tied} are tied"
    if found.verdict == "holds":
        return f"The ordering holds: {alike}, and \N{GREEK SMALL LETTER TAU}'s interval is above 0."
    if found.reversed:
        turned = "; ".join(
            f"{better} is better than {other} in {found.left}, worse in {found.right}"
            for better, other in found.reversed
        )
        return f"The ordering changes: {turned} (each with evidence); {alike}."
    if found.verdict == "changes":
        return f"The ordering changes: \N{GREEK SMALL LETTER TAU}'s interval is below 0; {alike}."
    why = "there is no interval" if math.isnan(found.low) else "the interval includes 0"
    return f"Not enough evidence: {alike}, no pair is shown to be reversed, and {why}."


def summary(label: str, found: Sequence[Agreement | str]) -> str:
    """Say of one metric in how many pairs of domains the ordering holds."""
    counts = Counter(one.verdict if isinstance(one, Agreement) else "no test" for one in found)
    words = {
        "holds": "holds", "changes": "changes",
        "not enough evidence": "is left open by the evidence", "no test": "cannot be compared",
    }  # fmt: skip
    told = [f"{text} in {counts[verdict]}" for verdict, text in words.items() if counts[verdict]]
    return f"{label}: of {len(found)} pairs of domains the ordering {', '.join(told)}."
