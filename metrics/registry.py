"""Finds the metrics: every module of this package and the entry points `resynth.metrics`.

Only facts are read; no package or model is loaded, so a plan can list metrics in milliseconds.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from pydantic import ValidationError

import metrics
from metrics.base import Metric, MetricError

GROUP = "resynth.metrics"


def discover() -> dict[str, type[Metric]]:
    """Return every metric by its facts' name, sorted.

    Raises:
        MetricError: two metrics share a name, or one cannot be imported; says where.
    """
    found: dict[str, type[Metric]] = {}
    for metric in (*_own(), *_plugged_in()):
        name = metric.facts.name
        other = found.setdefault(name, metric)
        if other is not metric:
            raise MetricError(f"metric {name!r} exists twice: {_place(other)} and {_place(metric)}")
    return dict(sorted(found.items()))


def get(name: str) -> type[Metric]:
    """Return the metric called `name`.

    Raises:
        MetricError: there is none; names the nearest one.
    """
    found = discover()
    if name in found:
        return found[name]
    near = difflib.get_close_matches(name, found, n=1, cutoff=0.0)
    raise MetricError(
        f"metric {name!r} does not exist; did you mean {near[0]!r}? `resynth metrics list` has all"
    )


def make(name: str, params: Mapping[str, Any], variant: str = "") -> Metric:
    """Return the metric called `name` under its parameters, nothing loaded.

    Raises:
        MetricError: there is none, or a parameter is wrong; says which.
    """
    kind = get(name)
    try:
        return kind(kind.Params.model_validate(dict(params)), variant)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "params"
        valid = ", ".join(kind.Params.model_fields) or "none"
        raise MetricError(
            f"metric {name!r}, parameter {place!r}: {first['msg']} (its parameters: {valid})"
        ) from error


def _own() -> Iterator[type[Metric]]:
    for module in pkgutil.iter_modules(metrics.__path__, prefix="metrics."):
        yield from _metrics_of(_imported(module.name))


def _metrics_of(module: ModuleType) -> Iterator[type[Metric]]:
    for member in vars(module).values():
        # Defined here, not imported here; an abstract base is no metric yet.
        if _is_metric(member) and member.__module__ == module.__name__:
            yield member


def _plugged_in() -> Iterator[type[Metric]]:
    for point in entry_points(group=GROUP):
        try:
            metric = point.load()
        except Exception as error:
            raise MetricError(f"entry point {point.value!r} cannot be loaded: {error}") from error
        if not _is_metric(metric):
            raise MetricError(f"entry point {point.value!r} is not a concrete metrics.base.Metric")
        yield metric


def _is_metric(member: object) -> bool:
    return inspect.isclass(member) and issubclass(member, Metric) and not inspect.isabstract(member)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # a submitter's file may raise anything; name it
        raise MetricError(f"{name} cannot be imported: {error!r}") from error


def _place(metric: type[Metric]) -> str:
    return f"{metric.__module__}.{metric.__qualname__} ({inspect.getsourcefile(metric)})"
