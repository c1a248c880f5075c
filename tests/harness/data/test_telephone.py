"""Telephone speech: G.711 to the letter, the band, and what a line means to the rest of the data.

The stated values are those of ITU-T G.711, table 2a/G.711 (14-bit decision and output values).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.signal import freqz

from harness.audio import Samples, resample
from harness.codecs.catalog import check_test_audio
from harness.config import CodecConfig
from harness.data import commands, telephone
from harness.data.leakage import check_disjoint
from harness.data.manifest import parse_manifest, write_manifest
from harness.data.read import read_utterance
from harness.data.registry import open_corpus
from harness.data.telephone import (
    RATE,
    band_limit,
    band_pass,
    decode_mulaw,
    encode_mulaw,
    over_the_line,
)
from harness.errors import UserError
from harness.identity import audio_digest

MakeAudio = Callable[..., Path]
EVERY = np.arange(-32768, 32768, dtype=np.int16)
CODES = np.arange(256, dtype=np.uint8)
# From the table: the values at which a segment's intervals begin, and the outputs of its first.
SEGMENT_STARTS = (31, 95, 223, 479, 991, 2015, 4063)
FIRST_OUTPUTS = (0, 33, 99, 231, 495, 1023, 2079, 4191)
LAST_OUTPUTS = (30, 93, 219, 471, 975, 1983, 3999, 8031)


def steps(values: Samples) -> np.ndarray:
    """Return samples in the table's units."""
    return np.asarray(values, dtype=np.float64) * 8192


def pcm(samples: np.ndarray) -> Samples:
    """Return 16-bit samples in [-1, 1]."""
    return np.asarray(samples / 32768, dtype=np.float32)


def of(*values: float) -> Samples:
    return (np.asarray(values) / 8192).astype(np.float32)


def test_outputs_are_the_tables() -> None:
    positive = steps(decode_mulaw(CODES[:127:-1]))  # 1111 1111 is the smallest
    assert positive[::16].tolist() == list(FIRST_OUTPUTS)
    assert positive[15::16].tolist() == list(LAST_OUTPUTS)
    assert steps(decode_mulaw(CODES[127::-1])).tolist() == (-positive).tolist()
    assert len(set(positive)) == 128


def test_decision_values_are_the_tables() -> None:
    assert encode_mulaw(of(0, 0.99, 1, 2.99, 3, -1, -0.99)).tolist() == [
        *(0xFF, 0xFF, 0xFE, 0xFE, 0xFD, 0x7E, 0x7F)
    ]
    for segment, start in enumerate(SEGMENT_STARTS, 1):
        below, at = encode_mulaw(of(start - 0.01, start)).tolist()
        assert (~at & 0x7F) == segment << 4 and below == at + 1
    assert encode_mulaw(of(7903, 8158, 8191, -8191)).tolist() == [0x80, 0x80, 0x80, 0x00]


def test_every_16_bit_sample_is_coded_as_libsndfile_codes_it() -> None:
    raw = io.BytesIO()
    soundfile.write(raw, EVERY, RATE, format="RAW", subtype="ULAW")
    theirs = np.frombuffer(raw.getvalue(), np.uint8)
    np.testing.assert_array_equal(encode_mulaw(pcm(EVERY)), theirs)
    decoded, _ = soundfile.read(
        io.BytesIO(CODES.tobytes()), format="RAW", subtype="ULAW", channels=1, samplerate=RATE,
        dtype="float32",
    )  # fmt: skip
    np.testing.assert_array_equal(decode_mulaw(CODES), decoded)


def test_every_14_bit_sample_is_coded_as_audioop_codes_it() -> None:
    # Of 16-bit samples audioop rounds the negative ones down, which the table does not say.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    samples = EVERY[::4]
    theirs = np.frombuffer(audioop.lin2ulaw(samples.tobytes(), 2), np.uint8)
    np.testing.assert_array_equal(encode_mulaw(pcm(samples)), theirs)


def test_coding_twice_is_coding_once() -> None:
    once = decode_mulaw(CODES)
    np.testing.assert_array_equal(decode_mulaw(encode_mulaw(once)), once)


def test_the_band() -> None:
    hertz, response = freqz(band_pass(), worN=8192, fs=RATE)
    db = 20 * np.log10(np.abs(response) + 1e-12)
    inside = (hertz >= 300) & (hertz <= 3400)
    assert np.abs(db[inside]).max() < 0.01
    assert db[(hertz <= 200) | (hertz >= 3500)].max() < -60
    np.testing.assert_array_equal(band_pass(), band_pass()[::-1])  # linear phase


@pytest.mark.parametrize("length", [1, 200, 4001])
def test_the_band_pass_moves_nothing(length: int) -> None:
    samples = np.zeros(length, dtype=np.float32)
    samples[length // 2] = 1.0
    out = band_limit(samples)
    assert len(out) == length and int(np.abs(out).argmax()) == length // 2


def test_the_line_on_a_tone() -> None:
    seconds = np.arange(16_000) / 16_000
    for hertz, passes in ((1000.0, True), (100.0, False), (3600.0, False), (5000.0, False)):
        tone = (0.5 * np.sin(2 * np.pi * hertz * seconds)).astype(np.float32)
        out = over_the_line(tone, 16_000)[2000:6000]
        gain = float(np.sqrt(np.mean(out**2)) / (0.5 / np.sqrt(2)))
        assert len(over_the_line(tone, 16_000)) == RATE
        assert gain == pytest.approx(1.0, abs=0.01) if passes else gain < 0.005


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_speech_over_the_line_keeps_all_but_its_audio(rate: int) -> None:
    plain, phone = (
        open_corpus("embedded"),
        open_corpus("telephone", of="embedded", sample_rate=rate),
    )
    rows, own = plain.split("test"), phone.split("test")
    for name in ("id", "speaker", "voice", "language", "seconds", "transcript", "path"):
        assert [getattr(row, name) for row in own] == [getattr(row, name) for row in rows]
    assert [row.stored for row in own] == [row.sha256 for row in rows]
    assert not {row.sha256 for row in own} & {row.sha256 for row in rows}
    assert phone.licence == plain.licence and len(phone.utterances()) == len(plain.utterances())
    line = over_the_line(read_utterance(plain, rows[0]), plain.sample_rate)
    np.testing.assert_array_equal(read_utterance(phone, own[0]), resample(line, RATE, rate))
    assert np.isin(line, decode_mulaw(CODES)).all()


def test_what_changes_the_audio_changes_the_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    def identity(**options: Any) -> str:
        return audio_digest(open_corpus("telephone", of="embedded", **options).split("test"))

    first = identity()
    assert first == identity() != identity(sample_rate=16_000)
    monkeypatch.setattr(telephone, "VERSION", "telephone-2")
    assert identity() != first


def test_training_audio_over_the_telephone_is_training_audio() -> None:
    parts = [{"kind": "embedded"}, {"kind": "telephone", "options": {"of": "embedded",
             "sample_rate": 16_000}}]  # fmt: skip
    joined = open_corpus("joined", parts=parts)
    train = joined.split("embedded/train")
    check_disjoint(train, joined.split("telephone/test"))
    phoned = joined.split("telephone/train")
    for one, other in ((train, phoned), (phoned, train)):
        with pytest.raises(UserError, match="is the same audio as training utterance"):
            check_disjoint(one, other)
    with pytest.raises(UserError, match="codec 'tiny' was trained on test utterance 'telephone/"):
        check_test_audio(CodecConfig(), phoned)


def test_a_changed_recording_is_noticed(tmp_path: Path, make_audio: MakeAudio) -> None:
    make_audio(tmp_path / "a.wav")
    corpus = open_corpus("telephone", str(tmp_path), of="folder", options={"sample_rate": 16_000})
    (row,) = corpus.split("all")
    assert len(read_utterance(corpus, row)) == RATE and commands.verify(corpus) == []
    make_audio(tmp_path / "a.wav", seed=1)
    with pytest.raises(UserError, match="changed since the manifest was made"):
        read_utterance(corpus, row)
    (problem,) = commands.verify(corpus)
    assert "changed since" in problem


def test_a_tone_that_the_line_takes_away_is_said(tmp_path: Path, make_audio: MakeAudio) -> None:
    tone = 0.001 * np.sin(2 * np.pi * 6000 * np.arange(16_000) / 16_000)
    make_audio(tmp_path / "a.wav", samples=tone.astype(np.float32))
    corpus = open_corpus("telephone", str(tmp_path), of="folder", options={"sample_rate": 16_000})
    with pytest.raises(UserError, match="utterance 'a': is digital silence"):
        read_utterance(corpus, corpus.split("all")[0])


def test_real_conversations_are_left_as_they_are(tmp_path: Path, make_audio: MakeAudio) -> None:
    stereo = np.random.default_rng(0).integers(-9000, 9000, (3 * RATE, 2), dtype=np.int16)
    make_audio(tmp_path / "sw1.wav", samples=stereo, rate=RATE)
    (tmp_path / "segments").write_text("u sw1-B 0.5 1.25 hello\n")
    for rate in (8_000, 16_000):
        corpus = open_corpus(
            "telephone", str(tmp_path), of="conversations", line="real", sample_rate=rate
        )
        (row,) = corpus.split("all")
        assert (row.channel, row.start, row.stop, row.transcript) == (1, 0.5, 1.25, "hello")
        expected = pcm(stereo[4000:10_000, 1])
        np.testing.assert_array_equal(read_utterance(corpus, row), resample(expected, RATE, rate))
        assert commands.verify(corpus) == []
    simulated = open_corpus("telephone", str(tmp_path), of="conversations").split("all")[0]
    assert simulated.sha256 != row.sha256 and simulated.stored == row.stored


def test_a_manifest_of_treated_audio_is_refused_and_not_served_untreated(tmp_path: Path) -> None:
    rows = open_corpus("telephone", of="embedded").split("valid")
    write_manifest(rows, tmp_path / "m.jsonl")
    with pytest.raises(UserError, match="unknown key 'origin'"):
        parse_manifest((tmp_path / "m.jsonl").read_text(), "m.jsonl")


def test_a_telephone_of_a_telephone() -> None:
    once = open_corpus("telephone", of="embedded")
    twice = open_corpus("telephone", of="telephone", options={"of": "embedded"})
    for a, b in pairwise([once.split("valid")[0], twice.split("valid")[0]]):
        assert a.stored == b.stored and a.sha256 != b.sha256
        assert replace(a, id="x").stored == a.stored


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "option 'of' is needed"),
        ({"of": "embeded"}, "unknown corpus 'embeded'; did you mean 'embedded'"),
        ({"of": "librispeech"}, "corpus 'librispeech': a root is needed"),
        ({"of": "embedded", "line": "real"}, "'embedded' is at 16000 Hz, but a real line's"),
        ({"of": "embedded", "line": "bad"}, "option 'line' is 'bad'"),
        ({"of": "embedded", "sample_rate": 4000}, "sample_rate 4000 is below 8000 Hz"),
        ({"of": "embedded", "options": {"x": 1}}, "corpus 'embedded': unknown option 'x'"),
        ({"of": "embedded", "rate": 8000}, "unknown option 'rate'"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        open_corpus("telephone", **options)
    assert message in str(error.value)


def test_options_as_the_command_line_gives_them(tmp_path: Path, make_audio: MakeAudio) -> None:
    make_audio(tmp_path / "a.wav")
    given = {"of": "folder", "options": '{"sample_rate": 16000}', "sample_rate": "16000"}
    corpus = open_corpus("telephone", str(tmp_path), **given)
    assert corpus.sample_rate == 16_000 and len(corpus.split("all")) == 1
