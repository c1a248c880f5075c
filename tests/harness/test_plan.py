import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.config import Config, load_config
from harness.errors import UserError
from harness.planner import make_plan
from harness.state import list_jobs, read_state

ROOT = Path(__file__).resolve().parents[2]


def smoke(**changes: Any) -> Config:
    data = load_config(ROOT / "configs" / "smoke.yaml").model_dump()
    return Config.model_validate({**data, **changes})


def test_planning_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys; from harness.cli import main; main(['plan', 'smoke']);"
        "assert not {'torch', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)


def test_the_matrix_is_method_by_size_by_nfe_by_split() -> None:
    plan = make_plan(smoke())
    assert len(plan.trials) == 2 * 2  # regression, bridge at two data sizes
    assert len(plan.evaluations) == 2 * (4 + 2 * (1 + 2))  # splits x (anchors + sizes x NFEs)
    assert len(plan.scorings) == 2 * len(plan.evaluations)


def test_ids_are_stable_and_unique() -> None:
    first, second = make_plan(smoke()), make_plan(smoke())
    assert first.evaluations == second.evaluations
    assert len({e.id for e in first.evaluations}) == len(first.evaluations)


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": [1]},
        {"training": {"steps": 5}},
        {"data_sizes": ["11%", "99%"]},
        {"backbone": {"layers": 2, "width": 32, "heads": 2}},
        {"corpus": {"leave_out_voice": "fr_CA_f_June"}},
    ],
)
def test_what_determines_a_trial_changes_its_id(change: dict[str, Any]) -> None:
    before = {trial.id for trial in make_plan(smoke()).trials}
    assert not before & {trial.id for trial in make_plan(smoke(**change)).trials}


def test_what_does_not_determine_a_trial_keeps_its_id() -> None:
    before = make_plan(smoke())
    after = make_plan(smoke(title="another", compute={"workers": 1}, data_sizes=["100%", "10%"]))
    assert {t.id for t in before.trials} == {t.id for t in after.trials}


def test_a_left_out_voice_is_in_neither_training_nor_validation() -> None:
    plan = make_plan(smoke(corpus={"leave_out_voice": "fr_CA_f_June"}))
    voices = {row.voice for row in plan.splits.train + plan.splits.valid}
    assert "fr_CA_f_June" not in voices
    assert len(voices) == 4


def test_jobs_wait_for_what_they_need() -> None:
    plan = make_plan(smoke())
    jobs = {job.key: job for job in list_jobs(plan, read_state(plan, None))}
    trial = plan.trials[0]
    assert jobs["trials", trial.id].needs == {("latents", plan.latents)}
    evaluation = next(e for e in plan.evaluations if e.trial == trial)
    assert jobs["evaluations", evaluation.id].needs == {("trials", trial.id)}
    assert ("evaluations", evaluation.id) in jobs["scores", evaluation.id].needs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": [{"name": "brigde"}]}, "did you mean 'bridge'?"),
        ({"methods": [{"name": "regression", "nfe": [4]}]}, "does not support NFE 4"),
        ({"methods": [{"name": "bridge", "nfe": [0]}]}, "does not support NFE 0"),
        ({"methods": [{"name": "bridge", "params": {"betamax": 1}}]}, "unknown key 'betamax'"),
        ({"methods": [{"name": "bridge", "params": {"beta_max": "x"}}]}, "key 'beta_max'"),
        ({"methods": [{"name": "copy"}, {"name": "copy"}]}, "asks twice for 'copy nfe 0 on test'"),
        ({"metrics": [{"name": "estoy"}]}, "metric 'estoy' does not exist; did you mean 'estoi'?"),
        ({"data_sizes": ["10 hours"]}, "data size '10 hours' is not understood"),
        ({"data_sizes": ["9h"]}, "is larger than the training corpus"),
        ({"data_sizes": ["0%"]}, "is empty"),
        ({"evaluate": [{"split": "tests"}]}, "did you mean 'test'?"),
        ({"evaluate": [{"split": "train"}]}, "choose disjoint splits"),
        ({"selection": {"split": "test"}}, "selection.split must be 'valid'"),
        ({"selection": {"metric": "pesq"}}, "selection.metric 'pesq' is not scored on 'valid'"),
        ({"corpus": {"kind": "librispeach", "root": "x"}}, "did you mean 'librispeech'?"),
        ({"corpus": {"leave_out_voice": "en_US_f_Alison"}}, "did you mean 'en_US_f_Allison'?"),
        ({"codec": {"name": "tinny"}}, "codec 'tinny' does not exist; did you mean 'tiny'?"),
        ({"codec": {"name": "tiny", "weights": "nowhere.safetensors"}}, "are absent"),
        ({"codec": {"name": "tiny", "weights": str(ROOT / "pyproject.toml")}}, "not a tiny codec"),
        ({"codec": {"name": "tiny", "bandwidth": 6.0}}, "codec 'tiny' has one bit rate"),
    ],
)
def test_bad_input_is_one_clear_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        make_plan(smoke(**change))
    assert message in str(error.value)


def test_encodec_without_weights_says_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"codec 'encodec': weights .* are absent; download"):
        make_plan(smoke(codec={"name": "encodec"}))


def test_damaged_official_encodec_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "encodec_24khz-d7cc33bc.th"
    path.write_bytes(b"cut off")
    with pytest.raises(UserError, match="the file is damaged"):
        make_plan(smoke(codec={"name": "encodec", "weights": str(path)}))
