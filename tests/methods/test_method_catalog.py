"""Discovery: facts without torch, clear errors, the files and text a method depends on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from methods import catalog
from methods.declaration import DEFAULTS, REQUIRED
from methods.params import Backbone, MethodError

BUILT_IN = {
    "copy": (0, "anchor", ("reference",)),
    "prequantized": (0, "anchor", ("z",)),
    "codec": (0, "anchor", ("codes",)),
    "opus": (0, "anchor", ("reference",)),
    "coarse": (0, "anchor", ("x1",)),
    "coarse_to_fine": ("N-1", "method", ("x1",)),
    "parallel_tokens": (1, "method", ("x1",)),
    "regression": (1, "method", ("x1",)),
    "bridge": ("any", "method", ("x1",)),
}
MINE = '''
"""A submitted method."""
from typing import Annotated, ClassVar, Literal
import torch
from pydantic import Field
from methods.regression import Regression
from methods.base import Method

class Mine(Method):
    name: ClassVar[str] = "mine"
    summary = "A plain assignment counts too."
    target: ClassVar[str] = "z"
    nfe: ClassVar[int] = 2

    class Params(Method.Params):
        strength: Annotated[float, Field(ge=0)] = 1.0
        mode: Literal["a", "b"] = "a"

    def resynthesize(self, inputs, nfe, generators):
        """Return nothing useful."""
        return inputs.x1  # a comment
'''


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_discovery_imports_neither_torch_nor_the_methods() -> None:
    code = (
        "import sys; from methods import catalog; found = catalog.discover();"
        "[d.params() for d in found.values()];"
        "[catalog.normalised_source(p) for d in found.values() for p in catalog.sources(d)];"
        "assert 'torch' not in sys.modules and 'methods.bridge' not in sys.modules"
    )
    root = Path(catalog.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_built_in_methods_and_their_facts() -> None:
    found = catalog.discover()
    facts = {d.name: (d.nfe, d.kind, d.conditions_on) for d in found.values()}
    assert {name: facts[name] for name in BUILT_IN} == BUILT_IN
    # What trains nothing is an anchor, or works with a teacher's network.
    assert all(d.trains or d.kind == "anchor" or d.teacher for d in found.values())


def test_declared_facts_are_those_of_the_class() -> None:
    for declaration in catalog.discover().values():
        method = catalog.load(declaration)
        for fact in ("name", *REQUIRED, *DEFAULTS):
            assert getattr(method, fact) == getattr(declaration, fact), (declaration.name, fact)
        loaded, parsed = (p.model_json_schema() for p in (method.Params, declaration.params))
        assert loaded.get("properties") == parsed.get("properties")


def test_params_are_validated_without_the_method() -> None:
    params = catalog.get("bridge").params
    assert params.model_validate({"beta_max": 0.5, "deterministic": True})
    for wrong in ({"beta_max": 0}, {"spacing": "cubic"}, {"betamax": 1}, {"beta_max": "much"}):
        with pytest.raises(ValidationError):
            params.model_validate(wrong)


def test_backbone_refuses_heads_that_do_not_fit() -> None:
    with pytest.raises(ValidationError, match="multiple"):
        Backbone(width=100, heads=8)


def test_a_plain_file_is_found_loaded_and_traced(tmp_path: Path) -> None:
    path = write(tmp_path, MINE)
    mine = catalog.discover([path])["mine"]
    assert (mine.module, mine.path, mine.nfe, mine.conditions_on) == (None, path, 2, ("x1",))
    assert mine.params.model_validate({"mode": "b"}).model_dump() == {"strength": 1.0, "mode": "b"}
    assert catalog.load(mine).__name__ == "Mine"
    names = {file.name for file in catalog.sources(mine)}
    assert {"mine.py", "base.py", "params.py", "regression.py", "transformer.py"} <= names
    assert "bridge.py" not in names


def test_an_installed_plugin_is_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "resynth_plugin"
    package.mkdir()
    write(package, "raise RuntimeError('imported')", "__init__.py")
    write(package, "SIZE = 1", "helper.py")
    write(package, MINE.replace("import torch", "from .helper import SIZE"), "plugin.py")
    information = tmp_path / "resynth_plugin-1.0.dist-info"
    information.mkdir()
    write(information, "Metadata-Version: 2.1\nName: resynth-plugin\nVersion: 1.0\n", "METADATA")
    write(information, "[resynth.methods]\nmine = resynth_plugin.plugin\n", "entry_points.txt")
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = catalog.discover()["mine"]
    assert mine.module == "resynth_plugin.plugin"
    own = [file.name for file in catalog.sources(mine) if file.is_relative_to(tmp_path)]
    assert own == ["__init__.py", "helper.py", "plugin.py"]


def test_duplicate_name_names_both_files(tmp_path: Path) -> None:
    path = write(tmp_path, MINE.replace('"mine"', '"bridge"'))
    with pytest.raises(MethodError) as error:
        catalog.discover([path])
    assert str(path) in str(error.value) and "bridge.py" in str(error.value)


def test_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(MethodError, match="did you mean 'regression'"):
        catalog.get("regresion")
    with pytest.raises(MethodError, match=r"known: .*bridge, "):
        catalog.get("zzzz")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("summary =", "summry =", "does not declare summary"),
        ("= 2", "= len('ab')", "'nfe' of class Mine .* literal"),
        ("= 2", "= 'some'", "not a count"),
        ("mode: Literal", "mode: Mode", "Params of class Mine .* may use only"),
        ("class Mine(Method)", "class Mine(object)", "declares no class"),
        ("class Mine(Method)", "class Mine(Method", "cannot read"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, MINE.replace(old, new))
    with pytest.raises(MethodError, match=message):
        catalog.discover([path])


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="cannot read"):
        catalog.discover([tmp_path / "absent.py"])


def test_normalised_source_sees_the_program_alone(tmp_path: Path) -> None:
    plain = catalog.normalised_source(write(tmp_path, MINE))
    edits = [("a comment", "another"), ("A submitted", "My"), ("inputs, nfe", "inputs,  nfe")]
    for old, new in [*edits, ("Return nothing useful", "Return")]:
        assert catalog.normalised_source(write(tmp_path, MINE.replace(old, new))) == plain
    for old, new in [("= 1.0", "= 1"), ("return inputs.x1", "return inputs.mask"), ("= 2", "= 3")]:
        assert catalog.normalised_source(write(tmp_path, MINE.replace(old, new))) != plain


def test_supported_nfe() -> None:
    bridge, tokens, coarse = (catalog.get(n) for n in ("bridge", "coarse_to_fine", "coarse"))
    assert [catalog.supports(bridge, n, 8) for n in (0, 1, 50)] == [False, True, True]
    assert [catalog.supports(tokens, n, 8) for n in (1, 7, 8)] == [False, True, False]
    assert [catalog.supports(coarse, n, 8) for n in (0, 1)] == [True, False]
    assert [catalog.default_nfe(d, 8) for d in (bridge, tokens, coarse)] == [7, 7, 0]
