"""No test audio in training: checked on ids and on the stored audio's hashes."""

from __future__ import annotations

from collections.abc import Iterable

from harness.data.corpus import Utterance
from harness.errors import UserError


def check_disjoint(train: Iterable[Utterance], test: Iterable[Utterance]) -> None:
    """Raise UserError if an utterance of `test`, by its id or its audio, is in `train` too.

    A telephone version of a recording is the same audio as the recording.
    """
    rows = list(train)
    ids, digests = {row.id for row in rows}, {row.stored: row.id for row in rows}
    leaks = [
        f"'{row.id}' is in both"
        if row.id in ids
        else f"'{row.id}' is the same audio as training utterance '{digests[row.stored]}'"
        for row in test
        if row.id in ids or row.stored in digests
    ]
    if leaks:
        raise UserError(
            f"training and test data overlap: utterance {leaks[0]} ({len(leaks)} such utterances); "
            "choose disjoint splits"
        )
