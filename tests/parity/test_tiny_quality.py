"""The embedded codec on speakers it never heard: LibriSpeech test-other, where it is at hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.audio import resample
from harness.codecs.catalog import check_test_audio
from harness.codecs.loading import load_codec
from harness.config import CodecConfig
from harness.data.read import read_utterance
from harness.data.registry import open_corpus
from metrics import registry

LIBRISPEECH = Path(__file__).resolve().parents[2] / "../shared/data/LibriSpeech"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LIBRISPEECH.is_dir(), reason="needs LibriSpeech beside the project"),
]
RATE = 16_000


@pytest.fixture(scope="module")
def scores() -> dict[str, dict[str, float]]:
    """Mean PESQ and ESTOI, and dWER over all words, from z and from x1: 10 utterances a speaker."""
    codec = load_codec(CodecConfig())
    corpus = open_corpus("librispeech", str(LIBRISPEECH))
    rows = corpus.split("test-other")
    check_test_audio(CodecConfig(), rows)  # none of it was trained on
    assert len({row.speaker for row in rows}) == 5
    metrics = {name: registry.get(name)() for name in ("pesq", "estoi", "dwer")}
    for metric in metrics.values():
        metric.load()
    found: dict[str, dict[str, list[tuple[float, float]]]] = {"z": {}, "x1": {}}
    for row in rows:
        reference = read_utterance(corpus, row)
        wav = torch.from_numpy(resample(reference, RATE, codec.facts.sample_rate))
        encoded = codec.encode(wav[None])
        for name, latent in (("z", encoded.z), ("x1", codec.embed(encoded.codes, 1))):
            decoded = resample(codec.decode(latent)[0].numpy(), codec.facts.sample_rate, RATE)
            for metric_name, metric in metrics.items():
                score = metric.compare(reference, decoded[: len(reference)])
                counts = (score.errors, score.words) if metric_name == "dwer" else (score.value, 1)
                found[name].setdefault(metric_name, []).append(counts)
    return {
        name: {metric: float(np.divide(*np.sum(pairs, axis=0))) for metric, pairs in own.items()}
        for name, own in found.items()
    }


def test_from_z_it_is_clear(scores: dict[str, dict[str, float]]) -> None:
    assert scores["z"]["pesq"] >= 2.4
    assert scores["z"]["estoi"] >= 0.86
    assert scores["z"]["dwer"] <= 0.06


def test_from_x1_alone_there_is_something_to_resynthesise(
    scores: dict[str, dict[str, float]],
) -> None:
    assert scores["x1"]["dwer"] >= 0.5
