"""What a method declares, read from its source without importing it (and so without torch).

A method is a class below one of `BASES` whose body gives its facts as literals and, when
it has parameters, a nested `Params(Method.Params)` whose fields use only builtins, Literal,
Annotated and Field. Facts may be inherited from a base class in the same file.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, Field

from methods.params import MethodError, Params

DEFAULTS: Mapping[str, Any] = {
    "equation": "",
    "source": "",
    "kind": "method",
    "trains": True,
    "conditions_on": ("x1",),
    "packages": (),
    "layered": False,
    "needs": (),
    "sampling": (),
    "teacher": None,
    "passes": 3.0,
}
BASES = {"Method", "CodeMethod", "TimedMethod"}
REQUIRED = ("summary", "target", "nfe")


@dataclass(frozen=True)
class Declaration:
    """What a method's source says of it; `module` is None for a file given by path.

    The facts are those of `methods.base.Method`.
    """

    name: str
    summary: str
    equation: str
    source: str
    target: str
    kind: str
    trains: bool
    nfe: int | str
    conditions_on: tuple[str, ...]
    packages: tuple[str, ...]
    layered: bool
    needs: tuple[str, ...]
    sampling: tuple[str, ...]
    teacher: str | None
    passes: float
    class_name: str
    module: str | None
    path: Path
    params: type[BaseModel]


def parse(path: Path, module: str | None = None) -> list[Declaration]:
    """Return the methods that one Python file declares.

    Raises MethodError for a missing or unparsable file, a missing or non-literal fact.
    """
    classes = {node.name: node for node in read(path).body if isinstance(node, ast.ClassDef)}
    methods = [node for node in classes.values() if _is_method(node, classes)]
    return [_declare(node, classes, module, path) for node in methods if "name" in _assigned(node)]


def read(path: Path) -> ast.Module:
    """Parse a Python file; MethodError if it is missing or malformed."""
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except (OSError, SyntaxError, ValueError) as error:
        raise MethodError(f"cannot read the method file {path}: {error}") from error


def _bases(node: ast.ClassDef) -> list[str]:
    """Name the bases, without the module they may be reached through."""
    names = [base.attr if isinstance(base, ast.Attribute) else base for base in node.bases]
    return [base.id if isinstance(base, ast.Name) else str(base) for base in names]


def _is_method(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> bool:
    bases = _bases(node)
    return bool(BASES & set(bases)) or any(
        _is_method(classes[base], classes) for base in bases if base in classes
    )


def _assigned(node: ast.ClassDef) -> dict[str, ast.expr]:
    """Return the values a class body assigns, annotated or not."""
    values: dict[str, ast.expr] = {}
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and line.value and isinstance(line.target, ast.Name):
            values[line.target.id] = line.value
        elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            values[line.targets[0].id] = line.value
    return values


def _lineage(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> list[ast.ClassDef]:
    """Return the class and its bases in the same file, nearest first."""
    inner = [_lineage(classes[base], classes) for base in _bases(node) if base in classes]
    return [node, *(ancestor for line in inner for ancestor in line)]


def _declare(
    node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], module: str | None, path: Path
) -> Declaration:
    facts = dict(DEFAULTS)
    lineage = _lineage(node, classes)
    for ancestor in reversed(lineage):
        for key, value in _assigned(ancestor).items():
            if key in ("name", *REQUIRED, *DEFAULTS):
                facts[key] = _literal(value, f"'{key}' of class {ancestor.name} in {path}")
    missing = [key for key in REQUIRED if key not in facts]
    if missing:
        raise MethodError(f"class {node.name} in {path} does not declare {', '.join(missing)}")
    nfe = facts["nfe"]
    if nfe not in ("any", "N-1") and (not isinstance(nfe, int) or nfe < 0):
        raise MethodError(f"nfe of class {node.name} in {path} is {nfe!r}: not a count, any or N-1")
    params = _params(lineage, module, path)
    return Declaration(**facts, class_name=node.name, module=module, path=path, params=params)


def _literal(value: ast.expr, where: str) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError as error:
        raise MethodError(
            f"{where} must be a literal: a plan reads it without importing"
        ) from error


def _params(lineage: Sequence[ast.ClassDef], module: str | None, path: Path) -> type[BaseModel]:
    """Build the nearest nested Params from its class statement alone."""
    nested = [line for node in lineage for line in node.body if isinstance(line, ast.ClassDef)]
    chosen = next((node for node in nested if node.name == "Params"), None)
    if chosen is None:
        return Params
    names: dict[str, Any] = {
        "__builtins__": builtins,
        "__name__": module or path.stem,
        "Params": Params,
        **dict.fromkeys(BASES, SimpleNamespace(Params=Params)),
        "Annotated": Annotated,
        "Field": Field,
        "Literal": Literal,
    }
    body = ast.Module(body=[chosen], type_ignores=[])
    try:
        # dont_inherit: annotations must be evaluated here, where their names are known.
        exec(compile(body, str(path), "exec", dont_inherit=True), names)
    except (NameError, AttributeError, TypeError) as error:
        raise MethodError(
            f"Params of class {lineage[0].name} in {path} may use only builtins, Literal, "
            f"Annotated and Field: {error}"
        ) from error
    return cast("type[BaseModel]", names["Params"])
