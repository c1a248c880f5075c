"""Which methods exist: this package's, installed plugins' and plain files', without torch.

Plugins name a module in the entry-point group `resynth.methods`. Nothing is imported to find a
method (see `methods.declaration`); `load` imports the one that is used.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from methods.declaration import Declaration as Declaration
from methods.declaration import parse
from methods.params import MethodError, supports_nfe
from methods.sources import normalised_source as normalised_source
from methods.sources import trace

if TYPE_CHECKING:
    from methods.base import Method

GROUP = "resynth.methods"
PACKAGE = Path(__file__).parent


def discover(files: Sequence[Path] = ()) -> dict[str, Declaration]:
    """Return every method by name: this package's, then plugins', then those of `files`.

    Raises MethodError for a duplicate name, a fact that is no literal, a file or plugin without
    a method.
    """
    found: dict[str, Declaration] = {}
    for module, path in _modules(files):
        declared = parse(path, module)
        if not declared and path.parent != PACKAGE:
            raise MethodError(f"{path} declares no class below Method with a literal 'name'")
        for declaration in declared:
            other = found.setdefault(declaration.name, declaration)
            if other is not declaration:
                raise MethodError(
                    f"method '{declaration.name}' exists twice: in {other.path} and in {path}; "
                    "rename one"
                )
    return found


def get(name: str, declarations: Mapping[str, Declaration] | None = None) -> Declaration:
    """Return the method called `name`, among `declarations` or all that are installed.

    Raises MethodError with the nearest name there is.
    """
    known = discover() if declarations is None else declarations
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(known))}"
    raise MethodError(f"no method is called '{name}'; {hint}")


def supports(declaration: Declaration, nfe: int, codebooks: int) -> bool:
    """Whether the method can make `nfe` network calls to decode from so many codebooks."""
    return supports_nfe(declaration.nfe, nfe, codebooks)


def default_nfe(declaration: Declaration, codebooks: int, layers: int | None = None) -> int:
    """Return the NFE of a config that names none, for N = `codebooks` and the layers asked for.

    Where any is possible it is N-1, so that methods compare at the cost of predicting codebooks.
    """
    if isinstance(declaration.nfe, int):
        return declaration.nfe
    if declaration.nfe == "any":
        return max(1, codebooks - 1)
    return (layers or codebooks) - 1


def load(declaration: Declaration) -> type[Method]:
    """Import the method's class, and with it torch."""
    if declaration.module is not None:
        module = importlib.import_module(declaration.module)
    else:
        module = _import_file(declaration.path)
    return cast("type[Method]", getattr(module, declaration.class_name))


def sources(declaration: Declaration) -> list[Path]:
    """Return the method's file and the project's files it imports, transitively, sorted."""
    return trace(declaration.path, declaration.module)


def _modules(files: Sequence[Path]) -> Iterator[tuple[str | None, Path]]:
    """Yield the import name, if any, and the path of each file that may declare methods, once."""
    listed: list[tuple[str | None, Path]] = [
        (f"{PACKAGE.name}.{path.stem}", path) for path in sorted(PACKAGE.glob("*.py"))
    ]
    listed += [(point.module, locate(point.module)) for point in entry_points(group=GROUP)]
    listed += [(None, path.resolve()) for path in files]
    seen: set[Path] = set()
    for module, path in listed:
        if path not in seen:
            seen.add(path)
            yield module, path


def locate(module: str) -> Path:
    """Return a module's source file without importing it or its parents; MethodError if none."""
    top, *inner = module.split(".")
    spec: ModuleSpec | None = find_spec(top)
    for part in inner:
        if spec is None:
            break
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise MethodError(f"the entry point's module '{module}' has no Python source to read")
    return Path(spec.origin)


def _import_file(path: Path) -> ModuleType:
    """Import a plain file under a name of its own, once."""
    name = f"resynth_method_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise MethodError(f"cannot import the method file {path}")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # half imported, it would be taken for whole the next time
        raise
    return module
