"""Who may import whom (design, layout): kept by reading every module's imports."""

import ast
from pathlib import Path

import pytest

from metrics import registry

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("harness", "methods", "metrics", "leaderboard")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_layers(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    if package in ("methods", "metrics"):
        assert not tops(path) & (set(PACKAGES) - {package})
    if package == "leaderboard":
        assert not tops(path) & {"torch", "ray", "methods", "metrics"}
    if path.relative_to(ROOT) != Path("harness/cluster.py"):
        assert "ray" not in tops(path)
    assert "harness.cli" not in imports(path)


@pytest.mark.parametrize(
    "name", ["plan", "planner", "config", "records", "errors", "store", "state"]
)
def test_light_modules(name: str) -> None:
    assert not tops(ROOT / "harness" / f"{name}.py") & {"torch", "ray"}


def test_the_metrics_do_not_import_each_other() -> None:
    metrics = {metric.__module__.split(".")[1] for metric in registry.discover().values()}
    for path in (ROOT / "metrics").rglob("*.py"):
        own = {name.split(".")[1] for name in imports(path) if name.startswith("metrics.")}
        assert not own & metrics, path.name
