"""Checks of what a method declares and how it is built."""

from __future__ import annotations

import re

from methods.checking.findings import Failed, NotApplicable, check
from methods.checking.subject import Subject
from methods.declaration import DEFAULTS, REQUIRED

EXTRAS = ("codes", "z", "reference")


@check(
    "facts are literals, complete, and those of the class",
    "correct the fact in the class body (methods/base.py says what each means)",
    at="class",
)
def facts(subject: Subject) -> None:
    """Look at every fact; importing the file is part of it."""
    found = subject.declaration
    for fact in ("name", *REQUIRED, *DEFAULTS):
        loaded, parsed = getattr(subject.method_class, fact), getattr(found, fact)
        if loaded != parsed:
            raise Failed(f"{fact} is {loaded!r} in the class, but its literal says {parsed!r}")
    shown = ("summary", "target", *(("equation", "source") if found.kind == "method" else ()))
    empty = [fact for fact in shown if not getattr(found, fact)]
    if empty:
        raise Failed(f"{', '.join(empty)}: empty, and the method card shows it")
    for fact, right, wanted in _rules(subject):
        if not right:
            raise Failed(f"{fact} is {getattr(found, fact)!r}, not {wanted}")


def _rules(subject: Subject) -> list[tuple[str, bool, str]]:
    """Return each fact that is limited, whether it keeps the limit, and the limit."""
    found = subject.declaration
    name = isinstance(found.name, str) and re.fullmatch("[a-z][a-z0-9_]*", found.name) is not None
    teacher = found.teacher is None or found.teacher in {*subject.known} - {found.name}
    passes = isinstance(found.passes, float | int) and found.passes > 0
    return [
        ("name", name, "a name of lower-case letters, digits and _"),
        ("kind", found.kind in ("method", "anchor"), "'method' or 'anchor'"),
        ("trains", found.trains in (True, False), "True or False"),
        ("trains", not (found.trains and found.kind == "anchor"), "False, as an anchor's is"),
        ("layered", found.layered in (True, False), "True or False"),
        ("passes", passes, "a number above zero"),
        ("needs", _among(found.needs, ("audio", "decoder")), "a tuple of 'audio', 'decoder'"),
        ("conditions_on", _among(found.conditions_on, ("x1", *EXTRAS)), "a tuple of known inputs"),
        ("teacher", teacher, "another method's name"),
    ]


def _among(values: object, known: tuple[str, ...]) -> bool:
    return isinstance(values, tuple) and set(values) <= set(known)


@check(
    "built from parameters, latent space and backbone alone",
    "build it in __init__(params, space, backbone), with parameters only if it trains",
    at="__init__",
    after=("facts",),
)
def construction(subject: Subject) -> str:
    """Build it; only trained methods have parameters, float32 and finite ones."""
    method = subject.build(awake=False, adopt=False)
    parameters = dict(method.named_parameters())
    if bool(parameters) != method.trains:
        has = f"{len(parameters)} parameters" if parameters else "no parameters"
        raise Failed(f"it has {has}, but declares trains = {method.trains}")
    for name, parameter in parameters.items():
        if str(parameter.dtype) != "torch.float32" or not bool(parameter.isfinite().all()):
            raise Failed(f"parameter {name} is not finite float32")
    if not parameters and not method.teacher and method.networks():
        raise Failed("it declares networks, but has no parameters", at="networks")
    return f"{sum(p.numel() for p in parameters.values())} parameters at 2 layers of width 32"


@check(
    "the teacher is adopted, and stays outside",
    "take the teacher in adopt(), keep it out of the module tree (in a tuple), leave it as it is",
    at="adopt",
    after=("construction",),
)
def teacher(subject: Subject) -> str:
    """Adopt an untrained, awake teacher; it must not become a submodule."""
    found = subject.teacher()
    if found is None:
        raise NotApplicable("it declares no teacher")
    own, adopted = subject.build(adopt=False), found.build()
    own.adopt(adopted.requires_grad_(False))
    theirs = {id(parameter) for parameter in adopted.parameters()}
    inside = [name for name, parameter in own.named_parameters() if id(parameter) in theirs]
    if inside:
        raise Failed(f"the teacher became a submodule: {inside[0]} is its own trial's")
    return f"adopts '{found.declaration.name}'"
