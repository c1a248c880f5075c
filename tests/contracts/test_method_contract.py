"""Every method keeps the contract, built in or plugged in; a new file in methods/ is tested too.

The checks are those of `resynth methods check`, in methods/checking; that each of them finds what
it is there for is shown in test_method_faults.py.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from harness.config import CONFIGS, read_layers
from methods import catalog
from methods.checking import CHECKS, Examination
from methods.declaration import Declaration

METHODS = catalog.discover()
NUMBERS = {"temperature": 1.0, "confidence_noise": 1.0, "adversarial": 0.0, "guidance": 2.0}


def options(declaration: Declaration) -> Iterator[dict[str, object]]:
    """Each choice a method offers, one at a time: literals, switches, and the numbers above."""
    for name, field in declaration.params.model_fields.items():
        values: tuple[object, ...] = ()
        if get_origin(field.annotation) is Literal:
            values = get_args(field.annotation)
        elif field.annotation is bool:
            values = (False, True)
        elif name in NUMBERS:
            values = (NUMBERS[name],)
        yield from ({name: value} for value in values if value != field.default)


def configured() -> Iterator[tuple[str, dict[str, object]]]:
    """What the shipped configurations run."""
    for path in sorted(CONFIGS.glob("*.yaml")):
        for entry in read_layers(path).get("methods", []):
            yield entry["name"], entry.get("params", {})


def variants() -> Iterator[tuple[str, dict[str, object]]]:
    """All choices and configured parameters that differ from a method's defaults, once."""
    found = [(name, params) for name in METHODS for params in options(METHODS[name])]
    seen = {(name, "{}") for name in METHODS}
    for name, params in [*found, *configured()]:
        key = (name, json.dumps(params, sort_keys=True))
        if name in METHODS and key not in seen and allowed(METHODS[name], params):
            seen.add(key)
            yield name, params


def allowed(declaration: Declaration, params: dict[str, object]) -> bool:
    try:
        declaration.params.model_validate(params)
    except ValidationError:
        return False
    return True


DEFAULTS = [pytest.param(name, "{}", id=name) for name in METHODS]
VARIANTS = [
    pytest.param(name, json.dumps(params), id=name + json.dumps(params), marks=pytest.mark.slow)
    for name, params in variants()
]


@cache
def examination(name: str, params: str) -> Examination:
    return Examination(METHODS[name], json.loads(params), METHODS)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("name", "params"), DEFAULTS + VARIANTS)
def test_contract(name: str, params: str, check: str) -> None:
    finding = examination(name, params).finding(check)
    if params != "{}" and finding.what.startswith("raised MethodError"):
        pytest.skip(f"a combination that the method refuses: {finding.what}")
    if finding.status == "skipped":
        pytest.skip(finding.what)
    assert finding.status != "failed", finding.line()


def test_examining_leaves_the_callers_randomness_alone() -> None:
    before = torch.get_rng_state(), random.getstate(), repr(np.random.get_state())
    Examination(METHODS["bridge"], {}, METHODS).findings()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), repr(np.random.get_state())) == before[1:]
