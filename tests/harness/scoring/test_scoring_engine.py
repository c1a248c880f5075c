"""Every pair gets a row: a value or a reason, whatever a metric does and however it is spread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from harness.errors import UserError
from harness.scoring.engine import frame_of, score
from harness.scoring.items import Item, Spec
from harness.scoring.messages import Task
from harness.scoring.pool import Pool
from harness.scoring.prepared import read_arrays, write_arrays
from harness.scoring.scorer import read
from metrics.base import MetricUnavailable

pytestmark = pytest.mark.usefixtures("faulty")


def run(pool: Pool, items: Sequence[Item], *names: str) -> dict[str, pd.DataFrame]:
    found = score(pool, [(Spec(name, {}), items) for name in names], lambda part, own: None)
    return {
        name: frame_of([own.rows[item.utterance] for item in items]) for name, own in found.items()
    }


def statuses(table: pd.DataFrame) -> list[str]:
    return ["missing" if status == "missing" else "" for status in table["status"]]


ONE_MISSING = ["", "missing", "", "", "", ""]


def test_a_metric_that_raises_leaves_one_row_and_its_reason(items: list[Item]) -> None:
    with Pool(1) as pool:
        tables = run(pool, items, "raises", "si_snr")
    assert statuses(tables["raises"]) == ONE_MISSING
    reason = tables["raises"]["reason"][1]
    assert "KeyError: 'something inside' (faulty_metrics_module.py, line" in reason
    assert (tables["si_snr"]["status"] == "scored").all()


def test_a_metric_that_hangs_is_stopped_and_the_rest_goes_on(items: list[Item]) -> None:
    with Pool(2, item_seconds=3.0) as pool:
        tables = run(pool, items, "hangs", "si_snr", "level")
    assert statuses(tables["hangs"]) == ONE_MISSING
    assert tables["hangs"]["reason"][1] == "hangs took longer than 3 s and was stopped"
    for name in ("si_snr", "level"):
        assert (tables[name]["status"] == "scored").all()


def test_a_killed_process_costs_one_row_of_its_batch(items: list[Item]) -> None:
    with Pool(1) as pool:
        tables = run(pool, items, "killed")
    assert statuses(tables["killed"]) == ONE_MISSING
    assert "killed was killed by signal 9" in tables["killed"]["reason"][1]


def test_nan_is_no_score(items: list[Item]) -> None:
    with Pool(1) as pool:
        table = run(pool, items[:1], "not_a_number")["not_a_number"]
    assert table["status"].tolist() == ["missing"]
    assert table["reason"].tolist() == ["NaN was returned"]


def test_an_absent_model_is_said_before_anything_is_scored(items: list[Item]) -> None:
    with (
        Pool(1) as pool,
        pytest.raises(MetricUnavailable, match="model x is absent: pip install x"),
    ):
        pool.check([Spec("si_snr", {}), Spec("absent", {})])


def test_a_process_that_dies_while_loading_leaves_rows_with_that_reason(items: list[Item]) -> None:
    with Pool(1) as pool:
        tables = run(pool, items[:2], "dies_loading", "level")
    assert (
        tables["dies_loading"]["reason"].tolist()
        == ["dies_loading ended its process with exit code 3 while it was loaded"] * 2
    )
    assert (tables["level"]["status"] == "scored").all()


def test_an_idle_process_that_was_killed_is_replaced(items: list[Item]) -> None:
    with Pool(1) as pool:
        first = run(pool, items[:2], "level")["level"]
        os.kill(pool.slots[0].process.pid, signal.SIGKILL)
        pool.slots[0].process.join()
        pd.testing.assert_frame_equal(run(pool, items[:2], "level")["level"], first)


def damage(item: Item, samples: np.ndarray, rate: int) -> Item:
    soundfile.write(item.estimate, samples, rate, subtype="FLOAT")
    return item


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda x: (x[:-3], 16_000), "has .* samples where the reference has"),
        (lambda x: (np.append(x, np.zeros(9, x.dtype)), 16_000), "more than the 0 samples"),
        (lambda x: (np.zeros_like(x), 16_000), "estimate: is digital silence"),
        (lambda x: (x[4000:4001], 16_000), "has 1 samples where the reference has"),
        (lambda x: (np.where(np.arange(x.size) == 5, np.nan, x), 16_000), "NaN or infinite"),
        (lambda x: (np.stack([x, x], 1), 16_000), "has 2 channels"),
        (lambda x: (x, 24_000), "is at 24000 Hz, 16000 Hz is declared"),
    ],
)
def test_audio_that_cannot_be_scored(
    fault: object, reason: str, items: list[Item], speech: list[np.ndarray]
) -> None:
    samples, rate = fault(speech[0])  # type: ignore[operator]
    with Pool(1) as pool:
        tables = run(pool, [damage(items[0], samples, rate), items[1]], "si_snr", "level")
    for table in tables.values():
        assert statuses(table) == ["missing", ""]
        assert pd.Series(table["reason"][0]).str.contains(reason).all(), table["reason"][0]


def test_a_file_that_is_no_audio_and_one_that_is_not_there(items: list[Item]) -> None:
    items[0].estimate.write_bytes(b"RIFF, but no more")
    items[1].estimate.unlink()
    with Pool(1) as pool:
        table = run(pool, items[:2], "level")["level"]
    assert table["reason"].str.contains("cannot be read as audio").all()


def test_padding_is_cut_only_where_it_is_declared(
    items: list[Item], speech: list[np.ndarray]
) -> None:
    padded = np.append(speech[0], np.zeros(100, np.float32))
    item = damage(items[0], padded, 16_000)
    with Pool(1) as pool:
        tables = [run(pool, [replace(item, padding=p)], "level")["level"] for p in (99, 100)]
    assert [table["status"][0] for table in tables] == ["missing", "scored"]


def test_clipped_audio_is_scored(items: list[Item], speech: list[np.ndarray]) -> None:
    loud = np.clip(speech[0] * 20, -1, 1)
    with Pool(1) as pool:
        table = run(pool, [damage(items[0], loud, 16_000)], "si_snr")["si_snr"]
    assert table["status"].tolist() == ["scored"]


def test_rows_do_not_depend_on_processes_order_or_company(
    items: list[Item], tmp_path: Path
) -> None:
    names = ("si_snr", "estoi", "level")
    with Pool(1) as pool:
        alone = {name: run(pool, items, name)[name] for name in names}
    with Pool(3, tmp_path / "prepared") as pool:
        together = run(pool, items[::-1], *names, "killed")
        again = run(pool, items, *names)
    for name in names:
        pd.testing.assert_frame_equal(together[name][::-1].reset_index(drop=True), alone[name])
        pd.testing.assert_frame_equal(again[name], alone[name])


def test_the_references_are_prepared_once_and_anew_if_their_file_is_damaged(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("PREPARED_LOG", str(log))
    tables = []
    for _ in range(2):
        with Pool(2, tmp_path / "prepared") as pool:
            tables.append(run(pool, items, "level")["level"])
    assert len(log.read_text()) == len(items)
    kept = sorted((tmp_path / "prepared").rglob("*.npz"))
    kept[0].write_bytes(kept[0].read_bytes()[:-40])
    kept[1].write_bytes(b"")
    with Pool(1, tmp_path / "prepared") as pool:
        tables.append(run(pool, items, "level")["level"])
    assert len(log.read_text()) == len(items) + 2
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0])


def test_an_unknown_metric_or_parameter_is_the_users_error(items: list[Item]) -> None:
    with Pool(1) as pool:
        with pytest.raises(UserError, match="did you mean 'pesq'"):
            score(pool, [(Spec("pesk", {}), items)], lambda part, own: None)
        with pytest.raises(UserError, match=r"parameter 'mode'.*its parameters: none"):
            score(pool, [(Spec("si_snr", {"mode": 1}), items)], lambda part, own: None)


def test_a_process_that_ends_after_its_last_row_costs_none(items: list[Item]) -> None:
    with Pool(1) as pool:
        run(pool, items[:2], "level")
        slot = pool.slots[0]
        slot.task, slot.done = Task((items[0],), (Spec("level", {}),)), 1
        slot.process.kill()
        slot.process.join()
        assert list(pool._hear(slot, deque())) == []
        assert (run(pool, items, "level")["level"]["status"] == "scored").all()


def test_weights_that_do_not_load_are_said_at_once() -> None:
    with (
        Pool(1) as pool,
        pytest.raises(MetricUnavailable, match=r"bad_weights cannot be loaded: ValueError: trunc"),
    ):
        pool.check([Spec("si_snr", {}), Spec("bad_weights", {})])


def test_a_pair_that_cannot_be_held_in_memory_is_a_reason(
    items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(item: Item) -> None:
        raise MemoryError("8 TiB")

    monkeypatch.setattr("harness.scoring.scorer.Pair", no_memory)
    assert str(read(items[0])).startswith("MemoryError: 8 TiB")


def test_a_kept_file_damaged_anywhere_is_whole_or_nothing(tmp_path: Path) -> None:
    arrays = {"one": np.arange(5.0), "text": np.array("some words")}
    path = tmp_path / "kept.npz"
    write_arrays(path, arrays)
    whole = path.read_bytes()
    kept = 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        found = read_arrays(path)
        if found is not None:
            kept += 1
            assert found.keys() == arrays.keys()
            assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    assert kept < len(whole) / 2  # what is left are dates and the like


def test_a_cache_that_cannot_be_written_costs_no_score(items: list[Item], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with Pool(1, tmp_path / "file") as pool:
        assert (run(pool, items, "level")["level"]["status"] == "scored").all()


CHILD = """
import sys
from pathlib import Path
from harness.scoring.engine import score
from harness.scoring.items import Item, Spec
from harness.scoring.messages import Task
from harness.scoring.pool import Pool
from harness.scoring.prepared import read_arrays, write_arrays
from harness.scoring.scorer import read
if __name__ == "__main__":
    pool = Pool(1)
    pool.check([Spec("si_snr", {})])
    print(pool.slots[0].process.pid, flush=True)
    audio = Path(sys.argv[1])
    score(pool, [(Spec("holds_the_lock", {}), [Item("u", "s", audio, audio, 16000)])], print)
"""


def test_processes_end_when_their_parent_is_killed_whatever_they_do(
    items: list[Item], tmp_path: Path
) -> None:
    script = tmp_path / "parent.py"
    script.write_text(CHILD)
    places = (str(Path(__file__).resolve().parents[3]), str(tmp_path / "plugin"))
    path = {"PYTHONPATH": os.pathsep.join(places)}
    parent = subprocess.Popen(
        [sys.executable, str(script), str(items[0].reference)],
        stdout=subprocess.PIPE,
        env=os.environ | path,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    while "R" not in Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]:
        time.sleep(0.1)
    time.sleep(1.0)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not alive(child)


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
