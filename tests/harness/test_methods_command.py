"""`resynth methods list, show and check`, and the example that CONTRIBUTING gives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from methods import catalog
from methods.checking import CHECKS
from methods.checking.cost import (
    Geometry,
    encoder_parameters,
    flops_per_second,
    outline,
    parameters,
)
from methods.params import Backbone

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = re.search(
    r"## Adding a method\n.*?```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL
)


def example(folder: Path, old: str = "", new: str = "") -> str:
    assert EXAMPLE is not None and old in EXAMPLE[1]
    path = folder / "my_method.py"
    path.write_text(EXAMPLE[1].replace(old, new), encoding="utf-8")
    return str(path)


def test_the_example_of_the_guide_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["methods", "check", example(tmp_path), "--params", '{"delta": 0.5}']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[1:-1]] == list(CHECKS)
    assert {line.split()[0] for line in lines[1:-1]} == {"ok", "skipped"}
    assert lines[-1] == "my_method: 20 ok, 0 failed, 0 warning, 3 skipped"


def test_a_failing_check_is_exit_code_1_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = example(tmp_path, "latent * inputs.mask.unsqueeze(-1)", "latent")
    assert main(["methods", "check", path, "--json"]) == 1
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["method"], report["path"], report["passed"]) == ("my_method", path, False)
    assert [check["check"] for check in report["checks"]] == list(CHECKS)
    (found,) = [check for check in report["checks"] if check["status"] == "failed"]
    assert found["check"] == "padded_output" and found["where"].endswith("(resynthesize)")
    assert main(["methods", "check", path]) == 1
    assert "failed   padded_output     my_method.py:" in capsys.readouterr().out


def test_check_takes_a_name_and_every_method_of_a_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["methods", "check", "coarse", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
    assert main(["methods", "check", str(ROOT / "methods" / "anchors.py"), "--json"]) == 0
    names = [report["method"] for report in json.loads(capsys.readouterr().out)]
    assert names == ["copy", "prequantized", "codec", "coarse"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "nowhere.py"], "cannot read the method file"),
        (["check", "brige"], "did you mean 'bridge'?"),
        (["check", str(ROOT / "methods" / "params.py")], "declares no class below Method"),
        (["check", "bridge", "--params", "{beta}"], "--params: is not JSON"),
        (["check", "bridge", "--params", "[1]"], "--params: must be a JSON object"),
        (["check", "bridge", "--params", '{"betamax": 1}'], "did you mean 'beta_max'?"),
        (["check", "bridge", "--params", '{"beta_max": -1}'], "--params: key 'beta_max'"),
        (["show", "bridge", "--width", "100"], "the backbone: width 100 is not"),
        (["show", "bridge", "--layers", "0"], "the backbone: key 'layers'"),
    ],
)
def test_bad_input_is_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["methods", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys; from harness.cli import main; main(['methods', 'list']);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


def test_a_card_shows_what_is_declared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "show", "coarse_to_fine", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    declared = catalog.get("coarse_to_fine")
    for fact in ("name", "summary", "equation", "source", "target", "nfe", "layered", "teacher"):
        assert card[fact] == getattr(declared, fact)
    assert card["params"]["temperature"] == {"type": "float >= 0", "default": 0.0}
    assert "takes the likeliest code" in card["params_about"]
    assert card["cost_at"] == {"layers": 3, "width": 192, "nfe": 7}


def test_a_card_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "show", "regression", "--layers", "12", "--width", "768"]) == 0
    text = capsys.readouterr().out
    assert "85,253,504 at 12 layers of width 768" in text  # as the encoder's layers add up to
    assert re.search(r"loss +l1 \| l2 +l2", text)


def test_every_method_has_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    for name, declared in catalog.discover().items():
        assert main(["methods", "show", name, "--json"]) == 0
        card = json.loads(capsys.readouterr().out)
        trained = declared.kind == "method"
        assert (card["parameters"] > 0) == (card["flops_per_second"] > 0) == trained, name
        assert set(card["params"]) == set(declared.params.model_fields)


def test_cost_is_what_the_shapes_say() -> None:
    size, geometry = Backbone(layers=2, width=32), Geometry(entries=16, dimension=8)
    known = catalog.discover()
    method = outline(known["regression"], {}, known, size, geometry)
    assert parameters(method) == encoder_parameters(size, geometry)
    frames, width = 75, 32
    weights = 2 * (4 + 2 * size.feed_forward) * width**2 + 2 * 8 * width
    attention = 2 * 2 * frames * width  # per frame, in two layers: q k and the sum of values
    assert flops_per_second(method, 1, geometry) == 2 * frames * (weights + attention)


@pytest.mark.parametrize("name", ["bridge", "masked_tokens", "requantized"])
def test_cost_needs_no_weights(name: str) -> None:
    size, known = Backbone(layers=12, width=768, heads=12), catalog.discover()
    method = outline(known[name], {}, known, size, Geometry())
    assert all(parameter.is_meta for parameter in method.parameters())
    one = flops_per_second(method, 1, Geometry())
    assert 12e9 < one < 15e9
    if known[name].nfe == "any":
        assert flops_per_second(method, 3, Geometry()) == pytest.approx(3 * one, rel=0.05)
