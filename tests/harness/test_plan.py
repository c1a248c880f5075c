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


def test_several_codecs_are_an_axis_of_the_matrix() -> None:
    one, two = make_plan(smoke()), make_plan(smoke(codec=[{}, {"codebooks": 4}]))
    assert [codec.facts.name for codec in two.codecs] == ["tiny", "tiny-n4"]
    assert two.codecs[1].facts.bit_rate == 3000.0
    assert {t.id for t in one.trials} < {t.id for t in two.trials}
    assert len(two.trials) == 2 * len(one.trials)
    copies = [e for e in two.evaluations if e.method.name == "copy"]
    assert len(copies) == 2  # one a split: the reference is the same beside every codec
    assert len(two.evaluations) == 2 * len(one.evaluations) - len(copies)


def test_how_latents_are_stored_is_part_of_a_trial() -> None:
    before = {trial.id for trial in make_plan(smoke()).trials}
    assert not before & {t.id for t in make_plan(smoke(latents={"precision": "bfloat16"})).trials}
    assert before == {t.id for t in make_plan(smoke(latents={"shard_minutes": 5.0})).trials}


def test_jobs_wait_for_what_they_need() -> None:
    plan = make_plan(smoke())
    jobs = {job.key: job for job in list_jobs(plan, read_state(plan, None))}
    trial = plan.trials[0]
    shards = {("latents", shard.id) for shard in trial.codec.cache.shards}
    assert jobs["trials", trial.id].needs == shards != set()
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
        ({"methods": [{"name": "copy"}, {"name": "copy"}]}, "asks twice for 'copy on tiny nfe 0"),
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
        ({"codec": {"codebooks": 9}}, "has 8 codebooks, 9 are asked for"),
        ({"codec": {"sha256": "0123456789"}}, "codec.sha256 with 0123456789"),
        ({"codec": [{"name": "tiny"}, {"name": "tiny"}]}, "'tiny' is listed twice"),
        ({"codec": {"quantizer": "nowhere"}}, "quantizer nowhere is absent"),
        ({"codec": {"name": "tiny", "bandwidth": 6.0}}, "has no option 'bandwidth'"),
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
    with pytest.raises(
        UserError, match=r"codec 'encodec': weights .* are absent; run `resynth codec fetch"
    ):
        make_plan(smoke(codec={"name": "encodec"}))


def test_damaged_official_encodec_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "encodec_24khz-d7cc33bc.th"
    path.write_bytes(b"cut off")
    with pytest.raises(UserError, match="the file is damaged"):
        make_plan(smoke(codec={"name": "encodec", "weights": str(path)}))
