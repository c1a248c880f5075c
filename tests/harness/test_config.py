from pathlib import Path

import pytest

from harness.config import load_config
from harness.errors import UserError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(f"extends: {CONFIGS / 'smoke.yaml'}\n{text}", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["base", "quick", "smoke", "librispeech"])
def test_shipped_configurations_load(name: str) -> None:
    assert load_config(CONFIGS / f"{name}.yaml").name == name


def test_a_diff_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "training: {steps: 9}"))
    assert config.training.steps == 9
    assert config.training.batch_size == load_config(CONFIGS / "smoke.yaml").training.batch_size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainning: {steps: 9}", "unknown key 'trainning'; did you mean 'training'?"),
        ("training: {stepps: 9}", "unknown key 'training.stepps'; did you mean 'steps'?"),
        ("metrics: [{name: estoi, utterance: 12}]", "did you mean 'utterances'?"),
        ("training: {steps: many}", "key 'training.steps': input should be a valid integer"),
        ("training: {steps: '9'}", "key 'training.steps': input should be a valid integer"),
        ("backbone: {layers: '3'}", "key 'backbone.layers': input should be a valid integer"),
        ("metrics: [{name: visqol, utterances: 3}]", "greater than or equal to 12"),
        ("codec: []", "key 'codec': list should hold at least one codec, not []"),
        ("training: [", "is not valid YAML"),
        ("extends: nowhere.yaml", "cannot be read"),
    ],
)
def test_bad_input_is_one_clear_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    if text.startswith("extends"):
        path.write_text(text)
    with pytest.raises(UserError) as error:
        load_config(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_circle_of_extends_is_refused(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {other}.yaml\n")
    with pytest.raises(UserError, match="extends itself"):
        load_config(tmp_path / "a.yaml")
