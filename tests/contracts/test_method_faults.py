"""Each check of the method contract finds its own fault, and it alone, with a readable finding."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_methods import FAULTS, SOUND

from methods.checking import CHECKS
from methods.checking.files import Report, examine
from methods.params import MethodError

ROOT = Path(__file__).resolve().parents[2]


def written(folder: Path, text: str) -> Report:
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    (report,) = examine(str(path), {})
    return report


def by_status(report: Report, *statuses: str) -> list[str]:
    return [finding.check for finding in report.findings if finding.status in statuses]


def test_a_sound_method_passes_every_check(tmp_path: Path) -> None:
    report = written(tmp_path, SOUND)
    assert report.passed and not by_status(report, "failed", "warning")
    assert by_status(report, "skipped") == ["teacher", "layers"]
    assert [finding.check for finding in report.findings] == list(CHECKS)


@pytest.mark.parametrize(("check", "old", "new", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_by_its_check_alone(
    check: str, old: str, new: str, words: str, tmp_path: Path
) -> None:
    assert old in SOUND
    report = written(tmp_path, SOUND.replace(old, new, 1))
    lines = [finding.line() for finding in report.findings if finding.status == "failed"]
    assert by_status(report, "failed", "warning") == [check], lines
    assert not report.passed
    (found,) = [finding for finding in report.findings if finding.check == check]
    assert words in found.what and found.advice
    assert found.where.startswith("mine.py")
    assert "\n" not in found.line()


def test_every_check_has_a_fault() -> None:
    tested = {check for check, *_ in FAULTS.values()} | {"size", "layers"}
    assert tested == set(CHECKS)


def test_a_finding_names_the_line(tmp_path: Path) -> None:
    text = SOUND.replace("# before", "inputs.nothing")
    report = written(tmp_path, text)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "inputs.nothing" in row)
    (found,) = [finding for finding in report.findings if finding.status == "failed"]
    assert found.where == f"mine.py:{line}"


def test_another_size_is_a_warning(tmp_path: Path) -> None:
    twice = "self.network = Encoder(backbone.model_copy(update={'layers': 18}), size, size)"
    report = written(tmp_path, SOUND.replace("# build", twice))
    assert report.passed and by_status(report, "warning") == ["size"]
    (found,) = [finding for finding in report.findings if finding.status == "warning"]
    assert "127.8 M parameters" in found.what and "+49.9%" in found.what


HALVED = """    def resynthesize(self, inputs, nfe, generators):
        return 0.5 * super().resynthesize(inputs, nfe, generators)
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[:, : inputs.layers]", "", "from 1 layers, it is off nothing of codebook 2"),
        ("(inputs.x1, *chosen)", "(chosen[0], *chosen)", "x1's own part is off"),
        ("    def _encode(", f"{HALVED}\n    def _encode(", "x1's own part"),
        ("[:, : inputs.layers]", "[:, : inputs.layers or 2]", "layers = None is not layers = 8"),
        ("[:, : inputs.layers]", "[:, : max(2, inputs.layers or 8)]", "codebook 2"),
    ],
)
def test_layers_are_those_asked_for(old: str, new: str, words: str, tmp_path: Path) -> None:
    text = (ROOT / "methods" / "parallel_tokens.py").read_text(encoding="utf-8")
    text = text.replace('"parallel_tokens"', '"mine"')
    assert old in text
    report = written(tmp_path, text.replace(old, new))
    assert by_status(report, "failed") == ["layers"]
    assert words in next(f.what for f in report.findings if f.status == "failed")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def", "cannot read"),
        ("class Mine: name = 'mine'", "declares no class"),
        (None, "cannot read"),
    ],
)
def test_what_is_no_method_file_is_refused(text: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(MethodError, match=words):
        examine(str(path), {})
