"""Comparisons over shared utterances: estimates, top tiers, contrasts, the order of anchors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.board import Board
from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import (
    LEVEL,
    Difference,
    Estimate,
    combined_means,
    combined_ratios,
    holm,
    mean_difference,
    mean_estimate,
    ratio_difference,
    ratio_estimate,
)
from leaderboard.systems import Scores, System

ALPHA = 1 - LEVEL
ANCHOR_ORDER = (
    ("copy", ">", "prequantized"),
    ("prequantized", "≥", "codec"),
    ("codec", ">", "coarse"),
)


def estimate(scores: Scores, metric: MetricKey) -> Estimate | None:
    """Return the mean (for ratio metrics errors over words), or None if nothing is scored."""
    if metric.ratio not in scores.estimates:
        scores.estimates[metric.ratio] = _estimate(scores, metric.ratio)
    return scores.estimates[metric.ratio]


def _estimate(scores: Scores, ratio: bool) -> Estimate | None:
    rows = scores.scored
    if rows.empty:
        return None
    speakers = rows["speaker"].tolist()
    if ratio:
        return ratio_estimate(rows["errors"], rows["words"], speakers)
    return mean_estimate(rows["value"], speakers)


def paired(left: Scores, right: Scores, metric: MetricKey) -> Difference | None:
    """Return left minus right over the utterances both have scored, or None without any."""
    shared = left.scored.index.intersection(right.scored.index, sort=True)
    if shared.empty:
        return None
    a, b = left.scored.loc[shared], right.scored.loc[shared]
    speakers = a["speaker"].tolist()
    if metric.ratio:
        sides = [(rows["errors"], rows["words"]) for rows in (a, b)]
        return ratio_difference(sides[0], sides[1], speakers)
    return mean_difference(a["value"], b["value"], speakers)


def combined(terms: Sequence[tuple[float, Scores]], metric: MetricKey) -> Difference | None:
    """Return the weighted sum of several systems' scores over the utterances all have scored.

    None without such an utterance; for ratio metrics the sum is of errors over words.
    """
    shared = terms[0][1].scored.index
    for _, scores in terms[1:]:
        shared = shared.intersection(scores.scored.index)
    if shared.empty:
        return None
    shared = shared.sort_values()
    tables = [scores.scored.loc[shared] for _, scores in terms]
    weights = [weight for weight, _ in terms]
    speakers = tables[0]["speaker"].tolist()
    if metric.ratio:
        return combined_ratios([(t["errors"], t["words"]) for t in tables], weights, speakers)
    return combined_means([t["value"] for t in tables], weights, speakers)


def top_tier(board: Board, split: str, metric: MetricKey) -> set[str]:
    """Return the slugs of each codec's best method and of those no paired test sets apart from it.

    Anchors do not compete, and nor do methods of different codecs: what they start from, and what
    they can reach, differ. Tests are against the best alone, Holm-corrected over a codec's others.
    """
    tiers = (_tier(board, split, metric, codec) for codec in board.codecs)
    return {slug for tier in tiers for slug in tier}


def _tier(board: Board, split: str, metric: MetricKey, codec: str) -> set[str]:
    found: list[tuple[float, System, Scores]] = []
    for system in board.systems_of(split):
        competes = not system.anchor and system.codec == codec
        scores = system.scores_of(split, metric) if competes else None
        value = estimate(scores, metric) if scores else None
        if scores and value:
            found.append((value.mean if metric.higher_is_better else -value.mean, system, scores))
    if not found:
        return set()
    _, best, best_scores = max(found, key=lambda entry: (entry[0], entry[1].slug))
    others = [(system, paired(best_scores, scores, metric)) for _, system, scores in found]
    rivals = [(system, test) for system, test in others if system is not best]
    adjusted = holm([test.p if test else math.nan for _, test in rivals])
    tied = (
        system.slug
        for (system, test), p in zip(rivals, adjusted, strict=True)
        if test and not (p < ALPHA or math.isinf(test.mean))
    )
    return {best.slug, *tied}


@dataclass(frozen=True)
class Tested:
    """A tested difference of one metric; `p_holm` is corrected over its table."""

    metric: MetricKey
    difference: Difference
    p_holm: float

    @property
    def gain(self) -> int:
        """Whether the interval lies on the good (1) or bad (-1) side of zero, or on none (0)."""
        return side_of_zero(self.difference, self.metric)

    @property
    def verdict(self) -> str:
        """What the contrast shows, in words."""
        if self.difference.infinite:
            return "infinite values: no test"
        if self.gain == 0:
            return "not enough evidence"
        word = "better" if self.gain > 0 else "worse"
        return word if self.p_holm < ALPHA else f"{word} before correction only"


@dataclass(frozen=True)
class Contrast(Tested):
    """One system minus coarse."""

    system: System


def side_of_zero(difference: Difference, metric: MetricKey) -> int:
    """Return 1 if the interval (or an infinite difference) favours the left side, -1, or 0."""
    sign = 1 if metric.higher_is_better else -1
    if math.isinf(difference.mean):
        return sign if difference.mean > 0 else -sign
    if difference.low > 0:
        return sign
    return -sign if difference.high < 0 else 0


def contrasts(board: Board, split: str, chosen: Sequence[System]) -> list[Contrast]:
    """Contrast each chosen system with its codec's coarse anchor, by every metric of the split."""
    found: list[tuple[System, MetricKey, Difference]] = []
    for system in chosen:
        coarse = board.coarse_of(system, split)
        for metric in board.metrics_of(split):
            test = difference(system, coarse, split, metric)
            if test:
                found.append((system, metric, test))
    adjusted = holm([test.p for _, _, test in found])
    return [
        Contrast(metric, test, p, system)
        for (system, metric, test), p in zip(found, adjusted, strict=True)
    ]


@dataclass(frozen=True)
class OrderCheck:
    """One neighbouring pair of anchors by one metric."""

    left: str
    sign: str
    right: str
    codec: str
    metric: MetricKey
    difference: Difference

    @property
    def holds(self) -> bool:
        """Whether ">" is shown (interval beyond zero), or ">=" not contradicted."""
        side = side_of_zero(self.difference, self.metric)
        return side > 0 if self.sign == ">" else side >= 0


def anchor_order(board: Board, split: str) -> list[OrderCheck]:
    """Check copy > prequantized >= codec > coarse on a split, by every metric, for each codec."""
    checks = []
    for codec in board.codecs:
        for metric in board.metrics_of(split):
            for left, sign, right in ANCHOR_ORDER:
                a, b = (board.anchor(name, split, codec) for name in (left, right))
                test = difference(a, b, split, metric)
                if test:
                    checks.append(OrderCheck(left, sign, right, codec, metric, test))
    return checks


def difference(
    left: System | None, right: System | None, split: str, metric: MetricKey
) -> Difference | None:
    """Return one system minus another over the utterances both have scored, if there are any."""
    a = left.scores_of(split, metric) if left else None
    b = right.scores_of(split, metric) if right else None
    return paired(a, b, metric) if a and b else None


def against_coarse(
    board: Board, system: System, split: str, metric: MetricKey
) -> Difference | None:
    """Return the system minus its codec's coarse anchor."""
    return difference(system, board.coarse_of(system, split), split, metric)
