"""A method's card: what it declares, its parameters, what it weighs and what it costs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from methods import catalog
from methods.checking.cost import Geometry, flops_per_second, outline, parameters
from methods.declaration import Declaration
from methods.params import Backbone

LIMITS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def card(
    declaration: Declaration, known: Mapping[str, Declaration], backbone: Backbone
) -> dict[str, Any]:
    """Return the card for JSON; the cost is at this backbone, on EnCodec's geometry.

    `flops_per_second` is that of the networks for one second of audio, at the NFE named beside it.
    """
    count, flops, geometry = 0, 0.0, Geometry()
    nfe = catalog.default_nfe(declaration, geometry.codebooks)
    if declaration.kind == "method":
        method = outline(declaration, {}, known, backbone, geometry)
        count, flops = parameters(method), flops_per_second(method, nfe, geometry)
    return {
        "name": declaration.name,
        "summary": declaration.summary,
        "equation": declaration.equation,
        "source": declaration.source,
        "target": declaration.target,
        "kind": declaration.kind,
        "nfe": declaration.nfe,
        "conditions_on": list(declaration.conditions_on),
        "trains": declaration.trains,
        "layered": declaration.layered,
        "needs": list(declaration.needs),
        "teacher": declaration.teacher,
        "parameters": count,
        "flops_per_second": flops,
        "cost_at": {"layers": backbone.layers, "width": backbone.width, "nfe": nfe},
        "params_about": about(declaration),
        "params": {name: describe(f) for name, f in declaration.params.model_fields.items()},
    }


def about(declaration: Declaration) -> str:
    """Return what the docstring of Params says, its lines joined within paragraphs."""
    text = (
        inspect.cleandoc(declaration.params.__doc__ or "")
        if declaration.params.model_fields
        else ""
    )
    return "\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def describe(field: FieldInfo) -> dict[str, Any]:
    """Return a parameter's type with its limits, in words, and its default, if it has one."""
    limits = [
        f"{sign} {getattr(part, key)}"
        for part in field.metadata
        for key, sign in LIMITS.items()
        if getattr(part, key, None) is not None
    ]
    found: dict[str, Any] = {"type": " ".join((type_name(field.annotation), ", ".join(limits)))}
    found["type"] = found["type"].strip()
    default = field.get_default(call_default_factory=True, validated_data={})
    return found if default is PydanticUndefined else {**found, "default": default}


def type_name(annotation: Any) -> str:
    """Return a type as one would write it: a Literal as its values."""
    if get_origin(annotation) is Literal:
        return " | ".join(str(value) for value in get_args(annotation))
    if get_origin(annotation) is None and isinstance(annotation, type):
        return annotation.__name__
    return str(annotation)
