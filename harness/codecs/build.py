"""From a configuration to a trained tiny codec: reads the corpora, trains, writes the weights."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from harness.audio import resample
from harness.codecs.catalog import codec_facts
from harness.codecs.tiny import TinyModel, TinyShape
from harness.codecs.tiny_codec import TinyCodec, load_tiny, save_decoder, save_tiny
from harness.codecs.training import CodecTraining, Source, train_codec
from harness.config import CodecConfig, Strict
from harness.data.corpus import Utterance
from harness.data.embedded import ASSETS
from harness.data.read import read_utterance
from harness.data.registry import open_corpus
from harness.errors import UserError
from harness.identity import audio_digest
from harness.provenance import now, provenance

REPORT_EVERY = 200
EMBEDDED = ASSETS / "tiny.safetensors"


class SourceConfig(Strict):
    """One corpus the codec trains on, with its share of the draws.

    `per_speaker` keeps so many utterances of each speaker, the first in hash order: all are held in
    memory, at 173 MB an hour.
    """

    kind: str
    root: str | None = None
    splits: list[str]
    share: float = Field(gt=0)
    per_speaker: int | None = Field(default=None, ge=1)


class CodecBuild(Strict):
    """What `resynth codec train` reads.

    With `decoder_only` the embedded codec's encoder and codebooks are taken over, frozen, and the
    file holds the new decoder alone.
    """

    decoder_only: bool = False
    sources: list[SourceConfig]
    training: CodecTraining = CodecTraining()
    threads: int = Field(default=2, ge=1)


class Log:
    """Keeps the learning curve, prints it, and saves the weights now and then."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.curve: list[tuple[int, float, float]] = []

    def __call__(self, step: int, loss: float, seconds: float, model: TinyModel) -> None:
        """Note one step."""
        self.losses.append(loss)
        if step % REPORT_EVERY == 0:
            self.curve.append((step, round(float(np.mean(self.losses)), 4), round(seconds, 1)))
            self.losses.clear()
            print(f"step {step}: loss {self.curve[-1][1]}, {seconds:.0f} s", file=sys.stderr)


def build_codec(config: CodecBuild, out: Path) -> None:
    """Train and write the weights. Raises UserError for unusable data or an unwritable `out`."""
    torch.set_num_threads(config.threads)
    started, clock = now(), time.monotonic()
    shape = TinyShape()
    loaded = [load_source(source, shape.sample_rate) for source in config.sources]
    log = Log()
    taught = embedded_codec() if config.decoder_only else None
    sources = [source for source, _ in loaded]
    model = train_codec(shape, config.training, sources, log, taught.model if taught else None)
    record = {
        "trained_on": json.dumps(
            [f"{source.name} ({audio_digest(rows)})" for source, rows in loaded]
        ),
        "trained_audio": json.dumps(
            [(row.id, row.stored[:16]) for _, rows in loaded for row in rows]
        ),
        "training": config.training.model_dump_json(),
        "curve": json.dumps(log.curve),
        "provenance": provenance(started, time.monotonic() - clock).model_dump_json(),
    }
    try:
        if taught is None:
            save_tiny(model, out, record)
        else:
            save_decoder(model, out, record, EMBEDDED)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror})") from error


def embedded_codec() -> TinyCodec:
    """Load the embedded codec."""
    return load_tiny(codec_facts(CodecConfig()), EMBEDDED)


def load_source(config: SourceConfig, rate: int) -> tuple[Source, list[Utterance]]:
    """Read a corpus' splits at the codec's rate; return them with their manifest rows."""
    corpus = open_corpus(config.kind, config.root)
    rows = first_of_speakers(corpus.split(*config.splits), config.per_speaker)

    def audio() -> Iterator[NDArray[np.int16]]:
        for row in rows:
            samples = resample(read_utterance(corpus, row), corpus.sample_rate, rate)
            yield np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)

    name = f"{corpus.name}: {', '.join(config.splits)}"
    return Source(name, config.share, list(audio())), rows


def first_of_speakers(rows: list[Utterance], count: int | None) -> list[Utterance]:
    """Return the first `count` utterances of every speaker in hash order, ordered by id again."""
    taken: Counter[str] = Counter()
    kept = []
    for row in sorted(rows, key=lambda row: row.order):
        taken[row.speaker] += 1
        if count is None or taken[row.speaker] <= count:
            kept.append(row)
    return sorted(kept, key=lambda row: row.id)
