"""Several corpora as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from harness.config import Config, load_config
from harness.data.read import read_utterance
from harness.data.registry import open_corpus
from harness.errors import UserError
from harness.planner import make_plan

ROOT = Path(__file__).resolve().parents[2]
LIBRISPEECH = ROOT / "../shared/data/LibriSpeech"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder at the embedded corpus' rate, with two files."""
    random = np.random.default_rng(0)
    (tmp_path / "mine").mkdir()
    for name in ("a", "b"):
        samples = random.normal(0, 0.1, 16_000).astype(np.float32)
        soundfile.write(tmp_path / "mine" / f"{name}.wav", samples, 16_000)
    return tmp_path / "mine"


def mine(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "folder",
        "root": str(folder),
        "options": {"sample_rate": 16_000, "licence": "CC0"},
        **changes,
    }


def test_parts_keep_their_utterances_under_their_names(folder: Path) -> None:
    joined = open_corpus("joined", parts=[{"kind": "embedded"}, mine(folder, name="mine")])
    alone = open_corpus("embedded")
    rows = joined.split("embedded/valid", "mine/all")
    assert [row.id for row in rows if row.split == "mine/all"] == ["mine/a", "mine/b"]
    ids = [f"embedded/{row.id}" for row in alone.split("valid")]
    assert [row.id for row in rows if row.split == "embedded/valid"] == ids
    assert all(row.speaker.startswith(row.id.split("/")[0] + "/") for row in rows)
    assert len(joined.utterances()) == len(alone.utterances()) + 2
    assert "mine: CC0" in joined.licence and alone.licence in joined.licence


def test_the_audio_is_that_of_the_part(folder: Path) -> None:
    joined = open_corpus("joined", parts=[{"kind": "embedded"}, mine(folder)])
    stored, _ = soundfile.read(folder / "b.wav", dtype="float32")
    row = next(row for row in joined.split("folder/all") if row.id == "folder/b")
    np.testing.assert_array_equal(read_utterance(joined, row), stored)
    prompt = joined.split("embedded/test")[0]
    assert len(read_utterance(joined, prompt)) == pytest.approx(16_000 * prompt.seconds, abs=16)


def test_roots_lie_below_the_root_that_is_given(folder: Path) -> None:
    part = mine(folder, root="mine")
    joined = open_corpus("joined", str(folder.parent), parts=[part, {"kind": "embedded"}])
    assert len(joined.split("folder/all")) == 2


def test_one_part_trains_another_tests(folder: Path) -> None:
    data = load_config(ROOT / "configs" / "smoke.yaml").model_dump()
    corpus = {
        "kind": "joined",
        "options": {"parts": [{"kind": "embedded"}, mine(folder)]},
        "train": ["embedded/train"],
        "valid": ["embedded/valid"],
    }
    evaluate = [{"split": "folder/all"}, {"split": "valid", "utterances": 2}]
    plan = make_plan(Config.model_validate({**data, "corpus": corpus, "evaluate": evaluate}))
    assert {row.id for row in plan.splits.evaluate["folder/all"]} == {"folder/a", "folder/b"}
    assert {row.split for row in plan.splits.train} == {"embedded/train"}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "option 'parts' is empty"),
        ([{"kind": "embedded"}] * 2, "two parts are called 'embedded'; give one another `name`"),
        ([{"kind": "embedded", "name": "a/b"}], "a name holds no '/'"),
        ([{"kind": "embeded"}], "unknown corpus 'embeded'; did you mean 'embedded'?"),
        ([{"kind": "embedded", "rot": "x"}], "option 'parts.0.rot' is 'x'"),
        ([{"kind": "librispeech", "root": "nowhere"}], "root nowhere does not exist"),
    ],
)
def test_parts_that_cannot_be_joined(parts: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(UserError) as error:
        open_corpus("joined", parts=parts)
    assert message in str(error.value)


def test_rates_must_agree(folder: Path) -> None:
    slow = mine(folder, options={"sample_rate": 8_000})
    with pytest.raises(UserError, match="embedded 16000 Hz, folder 8000 Hz"):
        open_corpus("joined", parts=[{"kind": "embedded"}, slow])


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("train", r"no part 'train' \(write PART/SPLIT\); valid names: embedded, folder"),
        ("embedded/tset", "no split 'tset'; did you mean 'test'?"),
    ],
)
def test_unknown_splits(folder: Path, split: str, message: str) -> None:
    joined = open_corpus("joined", parts=[{"kind": "embedded"}, mine(folder)])
    with pytest.raises(UserError, match=message):
        joined.split(split)


@pytest.mark.skipif(not LIBRISPEECH.is_dir(), reason="LibriSpeech is not here")
def test_the_findings_train_on_both_and_validate_on_librispeech() -> None:
    config = load_config(ROOT / "configs" / "findings.yaml")
    corpus = config.corpus.model_copy(update={"root": str(LIBRISPEECH.parent)})
    plan = make_plan(config.model_copy(update={"corpus": corpus}))
    parts = {row.id.split("/")[0] for row in plan.splits.train}
    assert parts == {"embedded", "librispeech"}
    assert {row.split for row in plan.splits.valid} == {"librispeech/train-clean-100"}
