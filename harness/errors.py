"""The one error family a user meets: caught once, in the CLI, printed without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input (exit code 2). The message says what is wrong, where, and what to do."""


class WorkFailed(Exception):
    """The command ran, but some work failed or a score is missing (exit code 1)."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" or the list of valid names, to end an error message."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; valid names: {', '.join(names)}"
