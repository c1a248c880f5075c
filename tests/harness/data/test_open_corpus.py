"""Corpora by name, manifests as corpora, and light imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.corpus import Utterance
from harness.data.manifest import write_manifest
from harness.data.read import read_utterance
from harness.data.registry import KINDS, open_corpus
from harness.errors import UserError

MakeAudio = Callable[..., Path]


def test_embedded_needs_no_root() -> None:
    assert open_corpus("embedded").split("valid")


def test_real_librispeech(librispeech: Path, tmp_path: Path) -> None:
    corpus = open_corpus("librispeech", str(librispeech), cache=str(tmp_path / "cache"))
    assert len(corpus.split("train-clean-100")) == 201
    assert list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"joined", "telephone"}))  # of other kinds
def test_every_kind_is_importable(kind: str, tmp_path: Path) -> None:
    options = {"sample_rate": 16_000} if kind in {"folder", "manifest"} else {}
    root = tmp_path / "m.jsonl" if kind == "manifest" else tmp_path
    (tmp_path / "m.jsonl").write_text("")
    assert open_corpus(kind, str(root), **options).name == kind


@pytest.mark.parametrize(
    ("kind", "root", "options", "message"),
    [
        ("librispech", ".", {}, "unknown corpus 'librispech'; did you mean 'librispeech'"),
        ("librispeech", None, {}, "a root is needed"),
        ("librispeech", "no/such", {}, "root no/such does not exist"),
        ("folder", ".", {}, "option 'sample_rate' is needed"),
        ("folder", ".", {"sample_rat": 1}, "unknown option 'sample_rat'; did you mean"),
        ("folder", ".", {"sample_rate": "fast"}, "option 'sample_rate' is 'fast'"),
        ("embedded", None, {"rate": 1}, "unknown option 'rate'; it has no options"),
        ("librispeech", __file__, {}, "is not a folder"),
        ("manifest", ".", {"sample_rate": 1}, "is not a file"),
    ],
)
def test_bad_calls(kind: str, root: str | None, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_corpus(kind, root, **options)


def test_registry_is_light(tmp_path: Path) -> None:
    program = (
        "import sys; from harness.data.registry import open_corpus; "
        "open_corpus('embedded').split('test'); "
        "before = {'torch', 'ray', 'soundfile', 'numpy'} & set(sys.modules); "
        f"open_corpus('librispeech', {str(tmp_path)!r}); "
        "print(sorted(before), sorted({'torch', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[] []", "")


@pytest.fixture
def listed(tmp_path: Path, make_audio: MakeAudio) -> Path:
    """A manifest made from a folder corpus that has one stereo recording with a segment."""
    make_audio(tmp_path / "audio/a.wav", seed=1)
    rows = list(open_corpus("folder", str(tmp_path / "audio"), sample_rate=16_000).utterances())
    write_manifest([replace(row, path=f"audio/{row.path}") for row in rows], tmp_path / "m.jsonl")
    return tmp_path / "m.jsonl"


def test_manifest_reads_the_same_audio(listed: Path) -> None:
    corpus = open_corpus("manifest", str(listed), sample_rate=16_000, licence="CC0")
    folder = open_corpus("folder", str(listed.parent / "audio"), sample_rate=16_000)
    (row,), (source,) = corpus.split("all"), folder.split("all")
    np.testing.assert_array_equal(read_utterance(corpus, row), read_utterance(folder, source))
    assert corpus.licence == "CC0"


def test_manifest_of_conversations(tmp_path: Path, make_audio: MakeAudio) -> None:
    samples = np.random.default_rng(0).integers(-9000, 9000, (8000, 2), dtype=np.int16)
    make_audio(tmp_path / "c.wav", samples=samples, rate=8000)
    (tmp_path / "segments").write_text("u c-B 0.25 0.75\n")
    write_manifest(open_corpus("conversations", str(tmp_path)).utterances(), tmp_path / "m.jsonl")
    corpus = open_corpus("manifest", str(tmp_path / "m.jsonl"), sample_rate=8000)
    expected = samples[2000:6000, 1].astype(np.float32) / 32768
    np.testing.assert_array_equal(read_utterance(corpus, corpus.split("all")[0]), expected)


def test_manifest_names_a_missing_file(listed: Path) -> None:
    (listed.parent / "audio/a.wav").unlink()
    with pytest.raises(UserError, match=r"m\.jsonl: names 'audio/a\.wav' \(utterance 'a'\)"):
        open_corpus("manifest", str(listed), sample_rate=16_000).utterances()


def test_manifest_with_a_duplicate_id(listed: Path) -> None:
    listed.write_text(listed.read_text() * 2)
    with pytest.raises(UserError, match="utterance id 'a' occurs more than once"):
        open_corpus("manifest", str(listed), sample_rate=16_000).split("all")


def test_empty_manifest(listed: Path, make_row: Callable[..., Utterance]) -> None:
    listed.write_text("\n")
    with pytest.raises(UserError, match="names no utterance"):
        open_corpus("manifest", str(listed), sample_rate=16_000).utterances()
