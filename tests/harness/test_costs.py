"""What a plan will cost: by formula, beside what torch counts and what a store measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.cli import main
from harness.config import Config, load_config
from harness.costs import Costs, costs
from harness.encoder_size import encoder_parameters, frame_flops, step_flops
from harness.flops import flop_counter
from harness.planner import make_plan
from harness.records import CodecFacts
from harness.store import Store
from harness.worker import Worker
from methods import catalog
from methods.base import Backbone, Batch, LatentSpace
from methods.nets.transformer import Encoder

ROOT = Path(__file__).resolve().parents[2]
GEOMETRY = CodecFacts.of(
    (1024,) * 8, 75.0, name="x", sample_rate=24_000, dimension=128, sha256="x", licence="x"
)


def config(**changes: Any) -> Config:
    data = load_config(ROOT / "configs" / "smoke.yaml").model_dump()
    return Config.model_validate({**data, **changes})


def of_config(**changes: Any) -> Costs:
    return costs(make_plan(config(**changes)), None)


def batch_of(count: int, frames: int) -> Batch:
    codes = torch.randint(0, 1024, (count, 8, frames))
    mask = torch.ones(count, frames, dtype=torch.bool)
    return Batch(codes=codes, z=torch.randn(count, frames, 128), mask=mask)


@pytest.mark.parametrize("name", ["regression", "bridge", "coarse_to_fine", "parallel_tokens"])
def test_a_step_costs_what_torch_counts(name: str) -> None:
    size, declared = Backbone(layers=2, width=64, heads=4), catalog.discover()[name]
    kind, books = catalog.load(declared), [torch.randn(1024, 128) for _ in range(8)]
    space = LatentSpace(books, torch.zeros(128), torch.ones(128), 75.0, 24_000)
    method = kind(kind.Params(), space, size)
    with flop_counter() as counter:
        torch.autograd.backward(method.loss(batch_of(4, 112), torch.Generator()))
    counted = counter.get_total_flops()
    assert step_flops(size, declared, GEOMETRY, 4, 112) == pytest.approx(counted, rel=0.1)


@pytest.mark.parametrize("inputs", [128, 256])  # regression's and the bridge's
def test_the_papers_size_costs_what_torch_counts(inputs: int) -> None:
    size, frames, count = Backbone(layers=12, width=768, heads=12), 300, 2
    with torch.device("meta"):
        network = Encoder(size, inputs, 128, conditioned=inputs > 128)
        latent, time = torch.empty(count, frames, inputs), torch.empty(count, 768)
    mask = torch.ones(count, frames, dtype=torch.bool)
    with flop_counter() as counter:
        torch.autograd.backward(network(latent, mask, time).sum())
    expected = 3 * frame_flops(size, frames, 128, 128) * count * frames
    assert expected == pytest.approx(counter.get_total_flops(), rel=0.1)
    parameters = sum(weights.numel() for weights in network.parameters())
    assert encoder_parameters(size, 128) == pytest.approx(parameters, rel=0.1)


def test_a_budget_in_flops_is_what_a_trial_costs() -> None:
    training = {**config().model_dump()["training"], "steps": None, "flops": 5e9}
    found = of_config(training=training)
    assert found.flops == 4 * 5e9  # regression and bridge at two data sizes
    assert (found.rate, found.basis, found.seconds) == (None, None, None)


def test_a_stated_rate_gives_hours_and_gpu_hours() -> None:
    compute = {"workers": 2, "gpus_per_worker": 0.5, "flops_per_second": 1e6}
    found = of_config(compute=compute)
    hours = found.flops / 1e6 / 3600
    assert found.basis == "declared"
    assert found.worker_hours(found.flops) == pytest.approx(hours)
    assert found.gpu_hours(found.flops) == pytest.approx(hours / 2)
    assert found.seconds == pytest.approx(3600 * hours / 2)


def test_more_workers_than_trials_do_not_help() -> None:
    found = of_config(compute={"workers": 1000, "flops_per_second": 1e6})
    assert found.seconds == pytest.approx(found.longest / 1e6)


def test_a_teachers_trials_count_once() -> None:
    bridge: dict[str, Any] = {"name": "bridge", "nfe": [1]}
    alone = of_config(methods=[bridge])
    both = of_config(methods=[bridge, {"name": "bridge_distilled"}])
    assert {one.method: one.trials for one in both.methods} == {"bridge": 2, "bridge_distilled": 2}
    assert both.methods[0].flops == alone.flops
    student = both.methods[1].flops / 2
    assert both.longest == pytest.approx(alone.flops / 2 + student)  # it waits for its teacher


@pytest.mark.slow
def test_a_finished_trial_measures_the_rate_and_is_not_left(tmp_path: Path) -> None:
    corpus = {"train": ["valid"], "valid": [], "held_out_voices": 1}  # few to encode
    worker = Worker(config(corpus=corpus), Store.create(tmp_path).root, threads=1)
    trial = worker.plan.trials[0]
    for shard in trial.codec.cache.shards_of(worker.plan.utterances(trial)):
        assert worker.do("latents", shard.id).error is None
    assert worker.do("trials", trial.id).error is None
    record = worker.store.trial(trial.id)
    found = costs(worker.plan, worker.store)
    assert (found.basis, found.rate) == ("measured", pytest.approx(record.flops / record.seconds))
    assert found.methods[0].done == 1
    assert found.flops_left < found.flops
    assert found.methods[0].flops / 2 == pytest.approx(record.flops, rel=0.1)
    size = sum(
        path.stat().st_size for path in worker.store.folder("trials", trial.id).glob("*.sa*")
    )
    assert found.methods[0].disk / 2 == pytest.approx(size, rel=0.1)


def test_the_audio_of_evaluations_is_sized() -> None:
    plan = make_plan(config())
    each = {split: sum(row.seconds for row in rows) for split, rows in plan.splits.evaluate.items()}
    found = costs(plan, None)
    per_split = found.evaluations / 2
    assert found.audio_hours == pytest.approx(per_split * sum(each.values()) / 3600)


def test_the_command_prints_costs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["plan", "smoke", "--store", str(tmp_path / "none")]
    assert main(arguments) == 0
    assert "hours are unknown" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["costs"]
    assert [one["method"] for one in shown["methods"]] == ["regression", "bridge"]
    assert shown["flops"] == sum(one["flops"] for one in shown["methods"])
