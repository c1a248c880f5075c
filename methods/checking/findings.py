"""What a check finds, and how checks are registered and run.

A check is a function of a `Subject`. It returns (what it saw, or nothing) if all is well, and
raises `Failed` with what is wrong; whatever else it raises came out of the method under test.
Checks that others wait for come first in the registry, so that one fault gives one finding.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from methods.checking.subject import Subject

Status = Literal["ok", "failed", "warning", "skipped"]
Run = Callable[["Subject"], "str | None"]


class Failed(Exception):
    """The method breaks its contract: how, in which of its functions, or on which of its lines."""

    def __init__(self, what: str, at: str | None = None, line: int | None = None) -> None:
        super().__init__(what)
        self.at, self.line = at, line


class NotApplicable(Exception):
    """The check is not for this method; the message says why."""


@dataclass(frozen=True)
class Finding:
    """What one check found: a status, what was seen, where, and what to do about it."""

    check: str
    status: Status
    what: str
    where: str = ""
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the fields for JSON."""
        return asdict(self)

    def line(self) -> str:
        """Return one line: the status, the check, where, what, and what to do."""
        place = f"{self.where}: " if self.where else ""
        advice = f"; {self.advice}" if self.advice else ""
        return f"{self.status:8} {self.check:17} {place}{self.what}{advice}"


@dataclass(frozen=True)
class Check:
    """One registered check. `at` is the function at fault unless the finding names another."""

    name: str
    about: str
    advice: str
    at: str
    after: tuple[str, ...]
    warns: bool
    run: Run


CHECKS: dict[str, Check] = {}


def check(
    about: str, advice: str, *, at: str, after: tuple[str, ...] = (), warns: bool = False
) -> Callable[[Run], Run]:
    """Register a check under its function's name; it is judged once all of `after` are ok.

    Raises ValueError for a second check of that name, or one that waits for a later check.
    """

    def register(run: Run) -> Run:
        name = run.__name__
        if name in CHECKS or not set(after) <= set(CHECKS):
            raise ValueError(f"check '{name}' exists already, or waits for one that comes later")
        CHECKS[name] = Check(name, about, advice, at, after, warns, run)
        return run

    return register


def judge(found: Check, subject: Subject, earlier: Mapping[str, Finding]) -> Finding:
    """Run one check, given the findings of those it waits for."""
    waits = [name for name in found.after if blocks(earlier[name])]
    if waits:
        return Finding(found.name, "skipped", f"judged once '{waits[0]}' is ok")
    bad: Status = "warning" if found.warns else "failed"
    try:
        seen = found.run(subject)
    except NotApplicable as error:
        return Finding(found.name, "skipped", str(error))
    except Failed as error:
        where = place(subject, error.at or found.at, error.line)
        return Finding(found.name, bad, str(error), where, found.advice)
    except Exception as error:  # Any code may be under test, so anything may come out of it: that
        # is what is to be reported, and the other checks must still run.
        first = (str(error).splitlines() or [""])[0]
        what = f"raised {type(error).__name__}: {first}"
        return Finding(found.name, bad, what, raised_at(error, subject), found.advice)
    return Finding(found.name, "ok", seen or found.about)


def blocks(finding: Finding) -> bool:
    """Whether a finding keeps dependent checks waiting: it failed, or waits itself."""
    waiting = finding.status == "skipped" and finding.what.startswith("judged once")
    return finding.status == "failed" or waiting


def raised_at(error: BaseException, subject: Subject) -> str:
    """Return the innermost line of the method's own file, FILE:LINE, that led to an error."""
    path = subject.declaration.path
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path.name}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.lineno for frame in frames if Path(frame.filename) == path]
    return f"{path.name}:{own[-1]}" if own else path.name


def place(subject: Subject, function: str, line: int | None) -> str:
    """Return FILE:LINE of a line of the method's file, or of one of its functions."""
    path = subject.declaration.path
    if line is not None:
        return f"{path.name}:{line}"
    if function == "class":
        return path.name
    found = inspect.unwrap(getattr(subject.method_class, function))
    code = found.__code__
    return f"{Path(code.co_filename).name}:{code.co_firstlineno} ({function})"
