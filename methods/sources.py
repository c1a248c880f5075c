"""Which files make up a method, and their text without what cannot change a result."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from methods.declaration import read

PACKAGE = Path(__file__).parent


def trace(path: Path, module: str | None) -> list[Path]:
    """Return `path` and, transitively, the files it imports from this package and its own.

    The own package is the top-level one of `module`. Importing a.b runs a/__init__.py too, so
    that counts; what is imported inside functions counts as well. Sorted by path.
    """
    roots = {PACKAGE.name: PACKAGE.parent}
    parts = (module or path.stem).split(".")
    if module is not None:
        depth = len(parts) - (path.name != "__init__.py")
        roots.setdefault(parts[0], path.parents[depth])
    waiting, seen = [(path, parts)], {path}
    while waiting:
        current, name = waiting.pop()
        for imported in _imports(current, name):
            file = _file(imported, roots)
            if file is not None and file not in seen:
                seen.add(file)
                waiting.append((file, imported))
    return sorted(seen)


def normalised_source(path: Path) -> str:
    """Return the program in a file as text that comments, docstrings and layout do not change."""
    return _canonical(read(path))


def _imports(path: Path, name: list[str]) -> Iterator[list[str]]:
    """Yield every dotted name a file may import, parents included; not all of them are modules."""
    package = name if path.name == "__init__.py" else name[:-1]
    for node in ast.walk(read(path)):
        targets: list[list[str]] = []
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            targets = [[*base, alias.name] for alias in node.names]
        for target in targets:
            yield from (target[:end] for end in range(1, len(target) + 1))


def _file(name: list[str], roots: Mapping[str, Path]) -> Path | None:
    """Return the file of a module inside the roots; None for anything else."""
    if not name or name[0] not in roots:
        return None
    stem = roots[name[0]].joinpath(*name)
    candidates = (stem / "__init__.py", stem.with_name(stem.name + ".py"))
    return next((file for file in candidates if file.is_file()), None)


def _canonical(node: object) -> str:
    """Write a syntax tree as text; empty fields are left out, as they differ between Pythons."""
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        documented = ast.get_docstring(node, clean=False) is not None
        fields["body"] = node.body[1:] if documented else node.body
    inside = ",".join(f"{name}={_canonical(value)}" for name, value in fields.items())
    return f"{type(node).__name__}({inside})"
