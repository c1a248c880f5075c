"""`resynth methods` and `resynth metrics`."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from harness.commands.output import print_json, print_table
from harness.errors import UserError
from methods import catalog
from methods.params import MethodError
from metrics import registry
from metrics.base import MetricError


def list_methods(options: Namespace) -> int:
    """List every method."""
    try:
        found = catalog.discover().values()
    except MethodError as error:
        raise UserError(str(error)) from error
    show_rows(
        options,
        ("name", "kind", "target", "nfe", "summary"),
        [(m.name, m.kind, m.target, m.nfe, m.summary) for m in found],
    )
    return 0


def list_metrics(options: Namespace) -> int:
    """List every metric."""
    try:
        found = [metric.facts for metric in registry.discover().values()]
    except MetricError as error:
        raise UserError(str(error)) from error
    show_rows(
        options,
        ("name", "label", "kind", "better", "unit"),
        [
            (f.name, f.label, f.kind, "higher" if f.higher_is_better else "lower", f.unit)
            for f in found
        ],
    )
    return 0


def show_rows(options: Namespace, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Print rows as a table or as JSON."""
    if options.json:
        print_json([dict(zip(header, row, strict=True)) for row in rows])
    else:
        print_table(header, rows)


def show_methods(options: Namespace) -> int:
    """Show one method: facts and parameters with their defaults."""
    try:
        found = catalog.get(options.name)
    except MethodError as error:
        raise UserError(str(error)) from error
    show_facts(
        options,
        {
            "name": found.name,
            "summary": found.summary,
            "equation": found.equation,
            "source": found.source,
            "target": found.target,
            "kind": found.kind,
            "nfe": found.nfe,
            "conditions_on": list(found.conditions_on),
            "params": found.params.model_json_schema().get("properties", {}),
        },
    )
    return 0


def show_metrics(options: Namespace) -> int:
    """Show one metric's declared facts."""
    try:
        found = registry.get(options.name)
    except MetricError as error:
        raise UserError(str(error)) from error
    show_facts(options, found.facts.as_dict())
    return 0


def show_facts(options: Namespace, facts: dict[str, Any]) -> None:
    """Print facts one a line, or as JSON."""
    if options.json:
        print_json(facts)
    else:
        print_table(("fact", "value"), list(facts.items()))
