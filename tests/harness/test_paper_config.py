"""The paper's configuration, its ablations, and their plans where nothing of it is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.config import Config, load_config, read_yaml
from harness.costs import costs
from harness.errors import UserError
from harness.nominal import absent, nominal_plan
from harness.planner import make_plan
from harness.state import list_jobs, read_state
from methods import catalog

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ABLATIONS = sorted(CONFIGS.glob("ablation-*.yaml"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the audio nor the weights are found where a test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def paper() -> Config:
    return load_config(CONFIGS / "paper.yaml")


def nominal(config: Config) -> Any:
    assert config.corpus.nominal is not None
    return nominal_plan(config, config.corpus.nominal)


def test_every_trained_method_is_in_it() -> None:
    trained = {name for name, one in catalog.discover().items() if one.kind == "method"}
    assert trained == {m.name for m in paper().methods if m.name in trained}


def test_it_is_the_papers() -> None:
    few = {"methods": [m for m in paper().methods if m.name in ("regression", "bridge")]}
    config, plan = paper(), nominal(paper().model_copy(update=few))
    assert (config.codec.name, config.codec.bandwidth) == ("encodec", 6.0)  # type: ignore[union-attr]
    assert plan.codecs[0].facts.bit_rate == 6000
    assert config.backbone.layers == 12
    assert {trial.seed for trial in plan.trials} == {0, 1, 2}
    hours = {trial.size.label: trial.size.hours for trial in plan.trials}
    assert hours == {"100%": 60_000, "10%": 6_000, "1%": 600, "100h": 100, "10h": 10}


@pytest.mark.slow
def test_its_cost_is_printed_without_audio_or_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "paper"]) == 0
    text = capsys.readouterr().out
    assert "not on this machine: audio in LibriLight, audio in LibriSpeech, weights of enc" in text
    assert "ids and jobs are not listed" in text
    assert "GPU-hours" in text
    assert main(["plan", "ablation-regression", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["absent"]) == 3
    assert shown["costs"]["gpu_hours"] == pytest.approx(shown["costs"]["flops"] / 1.5e14 / 3600)
    assert shown["latents"][0]["bytes"] > 4e12


@pytest.mark.parametrize("path", ABLATIONS, ids=lambda path: path.stem)
def test_an_ablation_is_a_few_lines_over_the_paper(path: Path) -> None:
    config = load_config(path).model_copy(update={"seeds": [0], "checkpoints": ["last"]})
    assert read_yaml(path)["extends"] == "paper.yaml"
    assert config.name == path.stem
    assert len(path.read_text().splitlines()) < 20
    assert costs(nominal(config), None).flops > 0  # every parameter it names exists
    labels = [(method.name, method.variant) for method in config.methods]
    assert len(set(labels)) == len(labels)


def small(**changes: Any) -> Config:
    """The smoke test's configuration, with audio that could be elsewhere."""
    data = load_config(CONFIGS / "smoke.yaml").model_dump()
    hours = {
        "hours": 1.0,
        "sample_rate": 16_000,
        "evaluate": {"test": 0.1, "valid": 0.1},
        "codec": {"sample_rate": 24_000, "frame_rate": 75.0, "sizes": [1024] * 8, "dimension": 128},
    }
    return Config.model_validate({**data, "corpus": {"nominal": hours, **changes}})


def test_a_nominal_plan_counts_what_the_real_one_does() -> None:
    real, stated = make_plan(small()), nominal(small())
    for part in ("trials", "evaluations", "scorings"):
        assert len(getattr(stated, part)) == len(getattr(real, part))
    assert costs(stated, None).flops == costs(real, None).flops
    assert costs(stated, None).audio_hours == pytest.approx(0.1 * len(real.evaluations))


def test_what_is_at_hand_is_planned_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert absent(small()) == []
    assert absent(small(kind="librispeech", root="nowhere")) == ["audio in nowhere"]
    assert list_jobs(make_plan(small()), read_state(make_plan(small()), None))


def test_a_split_without_nominal_hours_is_named() -> None:
    config = small()
    assert config.corpus.nominal is not None
    stated = config.corpus.nominal.model_copy(update={"evaluate": {"valid": 1.0}})
    with pytest.raises(UserError, match="gives no hours of split 'test'"):
        nominal_plan(config, stated)


def test_faults_of_the_configuration_are_still_found() -> None:
    config = paper()
    methods = [config.methods[0].model_copy(update={"name": "brigde"})]
    with pytest.raises(UserError, match="did you mean 'bridge'"):
        nominal(config.model_copy(update={"methods": methods}))


def test_without_nominal_hours_absent_audio_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: {CONFIGS / 'paper.yaml'}\ncorpus: {{nominal: null}}\n")
    assert main(["plan", str(path)]) == 2
