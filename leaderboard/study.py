"""The requantization study: which codecs, anchors and trained methods make its arms and series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.records import CodecFacts, MethodFacts, Refit
from leaderboard.board import Board
from leaderboard.slugs import slug
from leaderboard.systems import System

Repetition = tuple[int | None, int, str | None]
ANCHORS = {"codec": "codec (all N codes)", "coarse": "coarse (x1 alone)"}


@dataclass(frozen=True)
class Arm:
    """Codebooks refitted to one base codec in one way: the first `kept` stay as they were."""

    base: str
    kept: int
    seed: int

    @property
    def title(self) -> str:
        """What is varied, in words."""
        words = ("all codebooks refitted", "codebook 1 held fixed")
        return words[self.kept] if self.kept < 2 else f"codebooks 1 to {self.kept} held fixed"

    @property
    def rank(self) -> tuple[str, int, int]:
        """Where it comes: what holds most fixed first, since it tests the mechanism alone."""
        return self.base, -self.kept, self.seed

    @property
    def anchor_id(self) -> str:
        """A name for links and files."""
        return f"{slug(self.base)}-kept{self.kept}-seed{self.seed}"


@dataclass(frozen=True)
class Refitted:
    """One refit of an arm: its number of entries K, and the facts of its longest codec."""

    arm: Arm
    entries: int
    facts: CodecFacts
    refit: Refit
    codecs: tuple[str, ...]


@dataclass(frozen=True)
class StudyPoint:
    """One system at one K; `error_db` is that of its codec's N codebooks."""

    entries: int
    error_db: float
    system: System


@dataclass(frozen=True)
class StudySeries:
    """One method, or anchor, over K. `role` is "z", "embedding", "discrete", "anchor" or empty.

    `repetition` is its seed, sample and checkpoint.
    """

    label: str
    role: str
    repetition: Repetition
    points: tuple[StudyPoint, ...]


@dataclass(frozen=True)
class Group:
    """The series of one arm at one number of codebooks N."""

    arm: Arm
    codebooks: int
    series: tuple[StudySeries, ...]


def refits(board: Board) -> list[Refitted]:
    """Return every refit on the board, by arm and K; a codec cut to fewer codes is the same one."""
    found: dict[tuple[Arm, int], list[tuple[str, CodecFacts, Refit]]] = defaultdict(list)
    for name, facts in board.codecs.items():
        refit = facts.refit
        # Cut to the codebooks that were kept, a codec is the base codec again.
        if refit and facts.codebooks > refit.kept:
            arm = Arm(refit.base, refit.kept, refit.seed)
            found[arm, facts.sizes[refit.kept]].append((name, facts, refit))
    return [
        Refitted(arm, entries, longest[1], longest[2], tuple(name for name, _, _ in codecs))
        for (arm, entries), codecs in sorted(found.items(), key=lambda e: (*e[0][0].rank, e[0][1]))
        if (longest := max(codecs, key=lambda codec: codec[1].codebooks))
    ]


def groups(board: Board, chosen: Sequence[System]) -> list[Group]:
    """Return the study's series, each arm apart and each N apart, where a method was trained.

    Methods are taken at their chosen NFE and the most hours of training a group has; an anchor
    only from all N codes.
    """
    members: dict[tuple[Arm, int], dict[str, tuple[int, float]]] = defaultdict(dict)
    for refitted in refits(board):
        for name in refitted.codecs:
            count = board.codecs[name].codebooks
            at = (refitted.entries, refitted.refit.error_db[count - 1])
            members[refitted.arm, count][name] = at
    found = [
        Group(arm, count, _series(board, chosen, codecs))
        for (arm, count), codecs in sorted(members.items(), key=lambda e: (*e[0][0].rank, e[0][1]))
    ]
    return [group for group in found if any(s.role != "anchor" for s in group.series)]


def _series(
    board: Board, chosen: Sequence[System], codecs: dict[str, tuple[int, float]]
) -> tuple[StudySeries, ...]:
    trained = [system for system in chosen if system.codec in codecs]
    most = max((system.hours for system in trained), default=0.0)
    trained = [system for system in trained if system.hours == most]
    anchors = [
        system
        for system in board.systems
        if system.anchor and not system.partial and system.codec in codecs
        if system.any.method.name in ANCHORS and not system.codec_free
    ]
    lines: dict[tuple[str, str, Repetition], dict[int, StudyPoint]] = defaultdict(dict)
    for system in (*trained, *anchors):
        entries, error = codecs[system.codec]
        facts = system.any
        label = ANCHORS[facts.method.name] if system.anchor else system.label
        repetition = (facts.seed, facts.sample, facts.checkpoint)
        key = (label, role_of(facts.method), repetition)
        lines[key].setdefault(entries, StudyPoint(entries, error, system))
    repeated = len({system.any.seed for system in trained}) > 1
    sampled = len({system.any.sample for system in trained}) > 1
    return tuple(
        StudySeries(
            ", ".join([label, *_repetition(seed, sample, repeated, sampled)])
            if role != "anchor" else label,
            role, (seed, sample, checkpoint),
            tuple(sorted(points.values(), key=lambda point: point.entries)),
        )
        for (label, role, (seed, sample, checkpoint)), points in lines.items()
    )  # fmt: skip


def role_of(method: MethodFacts) -> str:
    """Return what a method is to the study's question, continuous against discrete."""
    if method.kind == "anchor":
        return "anchor"
    if method.name == "regression":
        return "embedding" if method.params.get("target") == "embedding" else "z"
    return "discrete" if method.name == "coarse_to_fine" else ""


def pairs(series: Iterable[StudySeries]) -> list[tuple[StudySeries, StudySeries]]:
    """Return what the study contrasts: regression to z with each discrete and embedding series."""
    lines = list(series)
    return [
        (left, right)
        for role in ("discrete", "embedding")
        for left in lines
        for right in lines
        if left.role == "z" and right.role == role and left.repetition == right.repetition
    ]


def _repetition(seed: int | None, sample: int, repeated: bool, sampled: bool) -> list[str]:
    return [f"seed {seed}"] * repeated + [f"sample {sample}"] * sampled
