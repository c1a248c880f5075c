import subprocess
import sys
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.corpus import Utterance
from harness.latents.spec import cut, plan_cache


def utterances(count: int, seconds: float = 10.0) -> list[Utterance]:
    return [
        Utterance(f"{n // 50:02d}-{n:05d}", "s", "v", "en", seconds, None, "train", "p", str(n))
        for n in range(count)
    ]


def ids(rows: list[Utterance], **changes: str) -> list[str]:
    wanted = {"codec_id": "c", "code_id": "x", "precision": "float32", "keep": "latents"} | changes
    return [shard.id for shard in plan_cache(rows=rows, shard_minutes=5, **wanted).shards]


def test_every_utterance_lies_in_one_shard_whatever_order_it_comes_in() -> None:
    rows = utterances(500)
    cache = plan_cache("c", "x", rows[::-1], "float32", "latents", 5)
    assert [row for shard in cache.shards for row in shard.rows] == rows
    assert all(row in cache.home[row.id].rows for row in rows)
    assert ids(rows) == ids(rows[::-1])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.5, 40.0), min_size=1, max_size=300), st.floats(20.0, 900.0))
def test_shards_hold_half_to_twice_the_seconds_asked_for(
    lengths: list[float], seconds: float
) -> None:
    rows = [replace(r, seconds=s) for r, s in zip(utterances(len(lengths)), lengths, strict=True)]
    parts = list(cut(rows, seconds))
    assert [row for part in parts for row in part] == rows
    for part in parts[:-1]:
        total = sum(row.seconds for row in part)
        assert seconds / 2 <= total < 2 * seconds + part[-1].seconds


def test_the_mean_shard_is_as_long_as_asked_for() -> None:
    rows = utterances(20_000)
    assert 0.9 < len(list(cut(rows, 300))) / (200_000 / 300) < 1.15


def test_leaving_a_voice_out_changes_only_the_shards_around_it() -> None:
    rows = utterances(2000)
    fewer = [row for row in rows if not row.id.startswith("10-")]
    kept = set(ids(rows)) & set(ids(fewer))
    assert len(kept) >= len(ids(rows)) - 8


def test_an_id_stands_for_all_that_determines_the_bytes() -> None:
    rows = utterances(10)
    others = [
        ids(rows, codec_id="d"),
        ids(rows, code_id="y"),
        ids(rows, precision="float16"),
        ids(rows, keep="codes"),
        ids([replace(rows[0], sha256="other"), *rows[1:]]),
    ]
    assert len({name for one in [ids(rows), *others] for name in one}) == 6


def test_codes_are_the_same_at_any_precision_of_z() -> None:
    rows = utterances(10)
    assert ids(rows, keep="codes", precision="float16") == ids(rows, keep="codes")


def test_shards_of_a_subset() -> None:
    cache = plan_cache("c", "x", utterances(500), "float32", "latents", 5)
    first, last = cache.shards[0], cache.shards[-1]
    wanted = [last.rows[0].id, first.rows[0].id, first.rows[1].id]
    assert cache.shards_of(wanted) == (first, last)


def test_planning_and_predicting_load_no_torch() -> None:
    code = (
        "import harness.latents.spec, harness.latents.predict, sys; print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
