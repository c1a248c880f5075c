"""What `resynth plan` says of the latent cache, before and after a shard is there."""

from argparse import Namespace
from pathlib import Path

import pytest

from harness.commands.planning import plan as plan_command
from harness.config import Config, load_config
from harness.errors import UserError
from harness.latents.forecast import forecast
from harness.planner import make_plan
from harness.store import Store
from harness.worker import Worker

ROOT = Path(__file__).resolve().parents[3]


def config() -> Config:
    data = load_config(ROOT / "configs" / "smoke.yaml").model_dump()
    corpus = {"train": ["valid"], "valid": [], "held_out_voices": 1}
    return Config.model_validate({**data, "corpus": corpus, "latents": {"shard_minutes": 1.0}})


def test_sixty_thousand_hours_are_sized_without_the_audio() -> None:
    (found,) = forecast(make_plan(config()), None, hours=60_000.0)
    frames = 60_000 * 3600 * 75
    assert found.bytes == pytest.approx(frames * (128 * 2 + 8 * 2), rel=0.02)
    assert found.basis == "reference" and found.seconds is not None


def test_the_truth_stands_beside_the_forecast(tmp_path: Path) -> None:
    worker = Worker(config(), Store.create(tmp_path).root, threads=1)
    shard = worker.plan.codecs[0].cache.shards[0]
    assert worker.do("latents", shard.id).error is None
    (found,) = forecast(worker.plan, worker.store)
    assert (found.finished, found.basis) == (1, "measured")
    assert found.measured_bytes == pytest.approx(found.finished_bytes, rel=0.05)
    assert found.measured_seconds > 0


@pytest.mark.parametrize("fault", ["torn", "no record", "no number", "record gone", "codes gone"])
def test_a_broken_shard_is_not_finished(tmp_path: Path, fault: str) -> None:
    worker = Worker(config(), Store.create(tmp_path).root, threads=1)
    shard = worker.plan.codecs[0].cache.shards[0]
    assert worker.do("latents", shard.id).error is None
    folder = worker.store.folder("latents", shard.id)
    path = folder / ("codes.npy" if fault == "codes gone" else "record.json")
    text = {"torn": "{", "no record": "[]", "no number": '{"encode_seconds": null}'}.get(fault)
    path.unlink() if text is None else path.write_text(text)
    (found,) = forecast(worker.plan, worker.store)
    assert (found.finished, found.measured_bytes, found.measured_seconds) == (0, 0, 0.0)


@pytest.mark.parametrize("hours", ["nan", "inf", "0", "-1", "1e300"])
def test_hours_that_cannot_be_sized_are_refused(hours: str) -> None:
    options = Namespace(config="smoke", store=None, hours=float(hours), json=True)
    with pytest.raises(UserError, match=r"--hours .*: choose a number above 0"):
        plan_command(options)
