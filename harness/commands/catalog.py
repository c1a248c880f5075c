"""`resynth methods` and `resynth metrics`."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.commands.output import print_json, print_table
from harness.commands.running import find_config
from harness.config import explain, load_config
from harness.errors import UserError
from methods import catalog
from methods.params import Backbone, MethodError
from metrics import registry
from metrics.base import MetricError

if TYPE_CHECKING:
    from methods.checking.files import Report


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
    """Show one method's card: facts, parameters with their defaults, size and cost."""
    from methods.checking.card import card  # it takes torch, which listing must not

    try:
        known = catalog.discover()
        found = card(catalog.get(options.name, known), known, backbone(options))
    except MethodError as error:
        raise UserError(str(error)) from error
    if options.json:
        print_json(found)
    else:
        print_card(found)
    return 0


def backbone(options: Namespace) -> Backbone:
    """Return the shipped configurations' backbone, with the layers and width asked for."""
    size = load_config(find_config("base")).backbone.model_dump()
    asked = {"layers": options.layers, "width": options.width}
    size |= {name: value for name, value in asked.items() if value is not None}
    try:
        return Backbone.model_validate(size)
    except ValidationError as error:
        raise UserError(f"the backbone: {explain(error, Backbone)}") from error


def print_card(found: dict[str, Any]) -> None:
    """Print a card for people."""
    at, shown = found["cost_at"], ("name", "summary", "equation", "source", "target", "kind", "nfe")
    rows = [(name, found[name]) for name in shown if found[name] != ""]
    rows += [("conditions on", ", ".join(found["conditions_on"]))]
    rows += [("layered", "yes" if found["layered"] else "no")]
    rows += [("needs", ", ".join(found["needs"]) or "nothing more")]
    rows += [("teacher", found["teacher"] or "none")]
    if found["kind"] == "method":
        size = f"at {at['layers']} layers of width {at['width']}"
        cost = f"{found['flops_per_second'] / 1e9:.3g} GFLOP per second of audio, {size}"
        rows += [("parameters", f"{found['parameters']:,} {size}")]
        rows += [("cost", f"{cost}, at NFE {at['nfe']} and EnCodec's 75 frames/s")]
    print_table(("fact", "value"), rows)
    if found["params"]:
        print()
        params = [(n, p["type"], p.get("default", "")) for n, p in found["params"].items()]
        print_table(("parameter", "type", "default"), params)
        print(f"\n{found['params_about']}")


def check_methods(options: Namespace) -> int:
    """Check methods against the contract; 1 if a check fails."""
    from methods.checking.files import WrongParams, examine

    params = read_params(options.params)
    try:
        reports = examine(options.method, params)
    except WrongParams as error:
        raise UserError(f"--params: {explain(error.error, error.model)}") from error
    except MethodError as error:
        raise UserError(str(error)) from error
    if options.json:
        print_json([as_json(report) for report in reports])
    else:
        for report in reports:
            print_report(report)
    return 0 if all(report.passed for report in reports) else 1


def read_params(text: str) -> dict[str, Any]:
    """Read a method's parameters. Raises UserError unless they are a JSON object."""
    try:
        params = json.loads(text)
    except ValueError as error:
        raise UserError(f"--params: is not JSON ({error}): {text}") from error
    if not isinstance(params, dict):
        raise UserError(f"--params: must be a JSON object of names and values, not {text}")
    return params


def as_json(report: Report) -> dict[str, Any]:
    """Return a report for scripts."""
    return {
        "method": report.method,
        "path": str(report.path),
        "params": dict(report.params),
        "passed": report.passed,
        "checks": [finding.as_dict() for finding in report.findings],
    }


def print_report(report: Report) -> None:
    """Print one line per check and one that counts them."""
    print(f"{report.method} ({report.path})")
    for finding in report.findings:
        print(finding.line())
    counts = Counter(finding.status for finding in report.findings)
    told = ", ".join(f"{counts[s]} {s}" for s in ("ok", "failed", "warning", "skipped"))
    print(f"{report.method}: {told}")


def show_metrics(options: Namespace) -> int:
    """Show one metric's declared facts."""
    try:
        found = registry.get(options.name)
    except MetricError as error:
        raise UserError(str(error)) from error
    params = found.Params.model_json_schema().get("properties", {})
    shown = {name: about.get("default") for name, about in params.items()}
    packages = ", ".join(found.packages) or "none"
    about = {"needs": ", ".join(found.facts.needs), "packages": packages, "parameters": shown}
    show_facts(options, found.facts.as_dict() | about)
    return 0


def show_facts(options: Namespace, facts: dict[str, Any]) -> None:
    """Print facts one a line, or as JSON."""
    if options.json:
        print_json(facts)
    else:
        print_table(("fact", "value"), list(facts.items()))
