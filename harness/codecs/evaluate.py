"""Rate and distortion of a codec: what each of its codes adds, and what Opus does at its rates.

The evaluation is an ordinary run of the matrix with anchors alone, so it is resumed, scored and
cached as any run is. What no record holds (the latents' quantization error, the speed of encoder
and decoder, the bit rate Opus really takes) is measured here, once per store.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError

from harness.audio import RESAMPLING_POLICY, resample
from harness.codecs.base import Codec
from harness.codecs.catalog import codec_identity
from harness.codecs.loading import load_codec
from harness.config import CONFIGS, Config, CorpusConfig, MethodConfig, explain, load_config
from harness.data.corpus import Corpus, Utterance
from harness.data.read import read_utterance
from harness.errors import UserError
from harness.identity import audio_digest, digest, source_digest
from harness.planner import make_plan
from harness.provenance import now, provenance
from harness.rate_distortion import Point, Report
from harness.records import SCHEMA, CodecFacts, Provenance, Record
from harness.run import run
from harness.store import Store, atomic_write
from leaderboard.board import Board, load_board
from leaderboard.compare import estimate
from leaderboard.slugs import slug
from methods.opus import __file__ as opus_file
from methods.opus import measured_bit_rate

OPUS_RATES = (6_000, 8_000, 12_000, 16_000, 24_000)
OPUS_LIMITS = (6_000, 64_000)
MEASURED_SOURCES = [Path(__file__), Path(opus_file)]
EVERY_CODE = 12  # codecs of more codes are cut at powers of two


@dataclass(frozen=True)
class Entry:
    """One system of the evaluation; `codes` and `bit_rate` (b/s) are None where it has none."""

    method: MethodConfig
    codes: int | None = None
    bit_rate: float | None = None

    @property
    def title(self) -> str:
        """Its name with what is varied; the whole codec has no variant, as on the board."""
        name = f"{self.method.name} {self.method.variant}".strip()
        return f"{name} {self.codes} of {self.codes}" if name == "codec" else name


def prefixes(count: int) -> list[int]:
    """Return the numbers of codes evaluated of a codec that has `count`."""
    if count <= EVERY_CODE:
        return list(range(1, count + 1))
    return sorted({2**power for power in range(count.bit_length())} | {count})


def entries(facts: CodecFacts) -> list[Entry]:
    """Return copy, z, the codec at every prefix of its codes, and Opus where it can match one."""
    rates = {count: facts.first(count).bit_rate for count in prefixes(facts.codebooks)}
    cut = [
        Entry(MethodConfig(name="codec", variant=f"{n} of {facts.codebooks}", layers=[n]),
              n, rate)
        for n, rate in rates.items() if n < facts.codebooks
    ]  # fmt: skip
    low, high = OPUS_LIMITS
    matched = {round(rate) for rate in rates.values() if low <= round(rate) <= high}
    opus = [
        Entry(MethodConfig(name="opus", variant=f"{rate / 1000:g} kb/s",
                           params={"bit_rate": rate}), None, rate)
        for rate in sorted(matched | set(OPUS_RATES))
    ]  # fmt: skip
    whole = Entry(MethodConfig(name="codec"), facts.codebooks, facts.bit_rate)
    anchors = [Entry(MethodConfig(name=name)) for name in ("copy", "prequantized")]
    return [*anchors, *cut, whole, *opus]


def make_config(
    facts: CodecFacts,
    codec: dict[str, object],
    corpus: dict[str, object],
    split: str,
    utterances: int | None,
    metrics: Sequence[str],
) -> Config:
    """Return the run's configuration. Raises UserError for a value no configuration may have."""
    name = slug(f"codec-{facts.name}-{corpus['kind']}-{split}")
    # Nothing trains; the corpus' own validation split is named where it is what is evaluated.
    roles = {"train": [], "valid": ["valid"] if split == "valid" else []}
    given = {
        "name": name,
        "title": f"Rate and distortion of codec {facts.name}",
        "store": f"runs/{name}",
        "codec": codec,
        "corpus": CorpusConfig().model_dump() | corpus | roles,
        "methods": [entry.method.model_dump() for entry in entries(facts)],
        "evaluate": [{"split": split, "utterances": utterances}],
        "metrics": [{"name": metric} for metric in metrics],
        "selection": None,
    }
    try:
        base = load_config(CONFIGS / "base.yaml").model_dump()
        return Config.model_validate(base | given)
    except ValidationError as error:
        raise UserError(f"codec evaluate: {explain(error)}") from error


def evaluate(config: Config, facts: CodecFacts, store_root: Path) -> Report:
    """Run what is missing in the store and return the rate-distortion curve.

    Raises what `harness.run.run` raises.
    """
    run(config, store_root, None, None)
    plan, store = make_plan(config), Store.open(store_root)
    (rows,) = plan.splits.evaluate.values()
    measured = measurement(config, facts, plan.splits.corpus, rows, store)
    board, wanted = load_board(store), {scoring.id for scoring in plan.scorings}
    made = {(e.method.name, e.method.variant): e.id for e in plan.evaluations}
    points = [
        make_point(board, entry, made[entry.method.name, entry.method.variant], wanted, measured)
        for entry in entries(facts)
    ]
    used = [m for m in board.metrics if any(m.name in point.estimates for point in points)]
    return Report(
        codec=facts,
        corpus=plan.splits.corpus.name,
        split=config.evaluate[0].split,
        utterances=len(rows),
        metrics=used,
        points=points,
        encode_rtf=measured.encode_seconds / measured.seconds,
        decode_rtf=measured.decode_seconds / measured.seconds,
        threads=measured.threads,
        processor=str(measured.provenance.hardware["processor"]),
        variance=measured.variance,
    )


class Measurement(Record):
    """What one codec loses and costs on one split; seconds are of audio and of computing.

    `mse` is the mean squared difference between z and the embedding of its first n codes, for
    n = 1..N; `variance` that of z around its mean; both are averaged over frames and dimensions.
    """

    kind: Literal["codec measurement"] = "codec measurement"
    threads: int
    seconds: float
    encode_seconds: float
    decode_seconds: float
    variance: float
    mse: tuple[float, ...]
    opus_bit_rates: dict[int, float]
    provenance: Provenance


def make_point(
    board: Board, entry: Entry, identity: str, wanted: set[str], measured: Measurement
) -> Point:
    """Read one system's scores and cost from the board."""
    system, split = next(
        (system, split)
        for system in board.systems
        for split, record in system.evaluations.items()
        if record.id == identity
    )
    scores = {m.name: (m, system.scores_of(split, m)) for m in board.metrics_of(split)}
    found = {
        name: estimate(score, metric)
        for name, (metric, score) in scores.items()
        if score is not None and score.record.id in wanted
    }
    mse = measured.mse[entry.codes - 1] if entry.codes else None
    opus = entry.method.name == "opus" and entry.bit_rate is not None
    return Point(
        system=entry.title,
        method=entry.method.name,
        codes=entry.codes,
        bit_rate=entry.bit_rate,
        measured_bit_rate=measured.opus_bit_rates[int(entry.bit_rate or 0)] if opus else None,
        latent_mse=mse,
        latent_db=10 * math.log10(mse / measured.variance) if mse else None,
        real_time_factor=system.evaluations[split].real_time_factor,
        estimates={name: value for name, value in found.items() if value is not None},
    )


def measurement(
    config: Config, facts: CodecFacts, corpus: Corpus, rows: Sequence[Utterance], store: Store
) -> Measurement:
    """Return the measurement of a codec on utterances, from the store if it is there."""
    rates = [int(e.bit_rate or 0) for e in entries(facts) if e.method.name == "opus"]
    threads = config.compute.cpus_per_worker
    identity = digest(
        {
            "schema": SCHEMA,
            "code": [source_digest(MEASURED_SOURCES), codec_identity(config.codecs[0])],
            "packages": [version("av"), RESAMPLING_POLICY],
            "codec": [facts.sha256, facts.codebooks],
            "audio": audio_digest(rows),
            "opus": rates,
            "threads": threads,
        }
    )
    path = store.root / "measured" / f"{identity}.json"
    if path.is_file():
        return Measurement.model_validate_json(path.read_bytes())
    with limited_threads(threads):
        found = measure(identity, load_codec(config.codecs[0]), corpus, rows, rates)
    path.parent.mkdir(exist_ok=True)
    atomic_write(path, found.model_dump_json(indent=1).encode())
    return found


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Hold torch to `count` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
def measure(
    identity: str, codec: Codec, corpus: Corpus, rows: Sequence[Utterance], rates: Sequence[int]
) -> Measurement:
    """Encode and decode utterances one by one, timed, and compare z with its quantized forms."""
    started, clock = now(), time.monotonic()
    count, size = codec.facts.codebooks, codec.facts.dimension
    squares, errors = torch.zeros(size, dtype=torch.float64), torch.zeros(count).double()
    total, frames, spent = torch.zeros(size, dtype=torch.float64), 0, [0.0, 0.0]
    audio = [read_utterance(corpus, row) for row in rows]
    source, target = corpus.sample_rate, codec.facts.sample_rate
    codec.encode(torch.from_numpy(resample(audio[0], source, target))[None])  # warms up
    for samples in audio:
        wav = torch.from_numpy(resample(samples, source, target))[None]
        marks = [time.perf_counter()]
        encoded = codec.encode(wav)
        marks.append(time.perf_counter())
        codec.decode(codec.embed(encoded.codes))
        marks.append(time.perf_counter())
        spent = [s + b - a for s, a, b in zip(spent, marks, marks[1:], strict=False)]
        z = encoded.z[0].double()
        total, squares, frames = total + z.sum(0), squares + z.square().sum(0), frames + len(z)
        for n in range(count):
            errors[n] += (z - codec.embed(encoded.codes, first=n + 1)[0]).square().mean(1).sum()
    return Measurement(
        id=identity,
        threads=torch.get_num_threads(),
        seconds=sum(len(samples) for samples in audio) / source,
        encode_seconds=spent[0],
        decode_seconds=spent[1],
        variance=float((squares / frames - (total / frames).square()).mean()),
        mse=tuple((errors / frames).tolist()),
        opus_bit_rates={rate: measured_bit_rate(audio, source, rate) for rate in rates},
        provenance=provenance(started, time.monotonic() - clock),
    )
