"""The check of what a method reads."""

from __future__ import annotations

from methods.checking.declared import EXTRAS
from methods.checking.findings import Failed, check
from methods.checking.randomness import calls
from methods.checking.subject import Subject


@check(
    "reads x1, and what it declares, alone",
    "do without it: at test time only x1 is given, and audio or the decoder where `needs` has them",
    at="resynthesize",
    after=("device", "training_loss"),
)
def forbidden_inputs(subject: Subject) -> None:
    """Run everything with undeclared inputs behind a guard that notes who reads them."""
    declared = [name for name in subject.declaration.conditions_on if name in EXTRAS]
    if declared and subject.declaration.kind != "anchor":
        raise Failed(f"it conditions on {', '.join(declared)}, which anchors alone are given")
    before, path = len(subject.touched), str(subject.declaration.path)
    for _, call in calls(subject, subject.build()):
        call(False)
    for found in subject.touched[before:]:
        own = [line for file, line in found.frames if file == path]
        raise Failed(f"it reads {found.what}", line=own[0] if own else None)
