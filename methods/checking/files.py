"""Examine methods by name or by file; a file's own faults are findings, not errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from methods import catalog
from methods.checking import CHECKS, Examination, Finding, passed
from methods.declaration import Declaration, parse, read
from methods.params import MethodError


@dataclass(frozen=True)
class Report:
    """All findings about one method; `params` are those it was checked under."""

    method: str
    path: Path
    params: Mapping[str, Any]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return passed(self.findings)


class WrongParams(MethodError):
    """Parameters that a method does not take; `error` and `model` tell which."""

    def __init__(self, declaration: Declaration, error: ValidationError) -> None:
        super().__init__(f"method '{declaration.name}' does not take these parameters: {error}")
        self.model, self.error = declaration.params, error


def examine(target: str, params: Mapping[str, Any]) -> list[Report]:
    """Check the method called `target`, or every method of a Python file at that path.

    Raises MethodError for an unknown name, and for a file that is missing, does not parse or
    declares no method; WrongParams for parameters the method does not take.
    """
    path = Path(target)
    if path.suffix != ".py":
        known = catalog.discover()
        return [report(catalog.get(target, known), params, known)]
    path = path.resolve()
    read(path)
    try:
        own = parse(path)
    except MethodError as error:
        return [refused(path, params, error)]
    if not own:
        raise MethodError(f"{path} declares no class below Method with a literal 'name'")
    try:
        known = catalog.discover([path])
    except MethodError as error:
        catalog.discover()  # another file's fault is not this one's
        return [refused(path, params, error)]
    return [report(known[declaration.name], params, known) for declaration in own]


def report(
    declaration: Declaration, params: Mapping[str, Any], known: Mapping[str, Declaration]
) -> Report:
    """Check one method."""
    try:
        declaration.params.model_validate(params)
    except ValidationError as error:
        raise WrongParams(declaration, error) from error
    findings = Examination(declaration, params, known).findings()
    return Report(declaration.name, declaration.path, params, tuple(findings))


def refused(path: Path, params: Mapping[str, Any], error: MethodError) -> Report:
    """Return the report of a file whose facts cannot be read: nothing else can be judged."""
    advice = CHECKS["facts"].advice
    first = Finding("facts", "failed", str(error), path.name, advice)
    rest = [Finding(n, "skipped", "judged once 'facts' is ok") for n in CHECKS if n != "facts"]
    return Report(path.stem, path, params, (first, *rest))
