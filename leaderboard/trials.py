"""The training runs behind the board: those its systems use, and their teachers'."""

from __future__ import annotations

from dataclasses import dataclass

from harness.records import MethodFacts, TrialRecord
from leaderboard.board import Board


@dataclass(frozen=True)
class BoardTrial:
    """One training run: its record, what to call its method, its codec, all its teachers.

    `teachers` are its own, then its teacher's, and so on; None stands for a record that is not in
    the store. `listed` says whether a system of the board is this method.
    """

    record: TrialRecord
    label: str
    codec: str
    listed: bool
    teachers: tuple[TrialRecord | None, ...]

    @property
    def taught_flops(self) -> float | None:
        """The FLOPs of its teachers' training; None if one of their records is absent."""
        found = [teacher.flops for teacher in self.teachers if teacher]
        return sum(found) if len(found) == len(self.teachers) else None

    @property
    def total_flops(self) -> float | None:
        """The FLOPs of its training and its teachers'; None if a teacher's are unknown."""
        taught = self.taught_flops
        return None if taught is None else self.record.flops + taught

    @property
    def stalled_share(self) -> float:
        """The share of training seconds that waited for data."""
        return self.record.stalled_seconds / self.record.seconds if self.record.seconds else 0.0


def board_trials(board: Board) -> list[BoardTrial]:
    """Return every training run behind the board's systems once, in the systems' order.

    A teacher whose method is no system of the board comes last, named after its pupil.
    """
    found: dict[str, BoardTrial] = {}
    for system in board.trained:
        record = system.trial
        if record and _same(record.method, system.any.method):
            found.setdefault(record.id, _trial(board, record, system.family, system.codec, True))
    for system in board.trained:
        record = system.trial
        if record and record.id not in found:
            label = f"{record.method.name} (for {system.family})"
            found[record.id] = _trial(board, record, label, system.codec, False)
    for trial in list(found.values()):
        for teacher in trial.teachers:
            if teacher and teacher.id not in found:
                label = f"{teacher.method.name} (teacher of {trial.label})"
                found[teacher.id] = _trial(board, teacher, label, trial.codec, False)
    return list(found.values())


def _same(trained: MethodFacts, used: MethodFacts) -> bool:
    return (trained.name, trained.params) == (used.name, used.params)


def _trial(board: Board, record: TrialRecord, label: str, codec: str, listed: bool) -> BoardTrial:
    return BoardTrial(record, label, codec, listed, tuple(_teachers(board, record)))


def _teachers(board: Board, record: TrialRecord) -> list[TrialRecord | None]:
    if record.teacher is None:
        return []
    if not board.store.has("trials", record.teacher):
        return [None]
    teacher = board.store.trial(record.teacher)
    return [teacher, *_teachers(board, teacher)]
