"""The contract of `methods.base`, as checks that anyone can run on a method of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Imported for their checks, in the order in which these are judged.
# isort: off
from methods.checking import declared as declared
from methods.checking import results as results
from methods.checking import training as training
from methods.checking import randomness as randomness
from methods.checking import inputs as inputs
from methods.checking import invariance as invariance
from methods.checking import requests as requests
from methods.checking import keeping as keeping

# isort: on
from methods.checking.findings import CHECKS as CHECKS
from methods.checking.findings import Finding as Finding
from methods.checking.findings import judge
from methods.checking.subject import Subject, undisturbed
from methods.declaration import Declaration


class Examination:
    """One method under its parameters, and what was found so far; each check runs once."""

    def __init__(
        self,
        declaration: Declaration,
        params: Mapping[str, Any],
        known: Mapping[str, Declaration],
    ) -> None:
        self.subject = Subject(declaration, params, known)
        self.found: dict[str, Finding] = {}

    def finding(self, name: str) -> Finding:
        """Return what a check finds; those it waits for are run first."""
        for other in (*CHECKS[name].after, name):
            if other not in self.found:
                earlier = {key: self.finding(key) for key in CHECKS[other].after}
                with undisturbed():
                    self.found[other] = judge(CHECKS[other], self.subject, earlier)
        return self.found[name]

    def findings(self) -> list[Finding]:
        """Return the findings of all checks, in order."""
        return [self.finding(name) for name in CHECKS]


def passed(findings: Iterable[Finding]) -> bool:
    """Whether no check failed; a warning is none."""
    return all(finding.status != "failed" for finding in findings)
