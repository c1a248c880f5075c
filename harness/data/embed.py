"""Build the embedded corpus from Debian's Asterisk voice prompts (real human speech, CC BY-SA).

    apt-get download asterisk-core-sounds-{en,es,fr,it,ru}-g722 asterisk-core-sounds-en
    for d in *.deb; do dpkg -x $d prompts; done
    python -m harness.data.embed prompts harness/assets

Every choice (which prompts, which split) is made by the hash of an utterance's id, so a rerun on
the same packages gives the same corpus. Test splits are FLAC, lossless from the decoded G.722
source; the rest is Opus at 20 kb/s.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
VOICES = {
    "en_US_f_Allison": ("en", "allison"),
    "es_MX_f_Allison": ("es", "allison"),
    "fr_CA_f_June": ("fr", "june"),
    "it_IT_m_Carlo": ("it", "carlo"),
    "ru_RU_f_IvrvoiceRU": ("ru", "ivrvoice_ru"),
}
HOME = "en_US_f_Allison"
MINUTES_PER_VOICE = 16.2
SECONDS = (1.5, 30.0)
TEST_SECONDS = (2.5, 12.0)
TEST, TEST_OTHER, VALID = 40, 10, 8


@dataclass(frozen=True)
class Prompt:
    """One source file with what is known of it before it is packed."""

    id: str
    voice: str
    path: Path
    seconds: float
    transcript: str | None

    @property
    def order(self) -> str:
        """The hash that decides every selection."""
        return hashlib.sha256(f"resynth:{self.id}".encode()).hexdigest()


def read_transcripts(path: Path) -> dict[str, str]:
    """Read "name: text" lines; texts in brackets describe sounds that are not speech."""
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    pairs = (line.split(":", 1) for line in lines if ":" in line and not line.startswith(";"))
    return {name.strip(): text.strip() for name, text in pairs}


def find_prompts(root: Path) -> Iterator[Prompt]:
    """Yield every prompt of usable length that is speech, without duplicates."""
    texts = read_transcripts(next(root.rglob("core-sounds-en.txt.gz")))
    not_speech = {name for name, text in texts.items() if "[" in text}
    seen: set[bytes] = set()
    for voice in VOICES:
        folder = next(root.rglob(voice))
        for path in sorted(folder.rglob("*.g722")):
            key = str(path.relative_to(folder).with_suffix(""))
            digest, seconds = hashlib.sha256(path.read_bytes()).digest(), path.stat().st_size / 8000
            speech = not key.startswith("silence") and key not in not_speech
            if speech and digest not in seen and SECONDS[0] <= seconds <= SECONDS[1]:
                seen.add(digest)
                text = texts.get(key) if voice == HOME else None
                yield Prompt(f"{voice}/{key}", voice, path, seconds, text)


def choose_splits(prompts: list[Prompt]) -> Iterator[tuple[Prompt, str]]:
    """Assign test, valid and train, voice by voice, in hash order."""
    for voice in VOICES:
        own = sorted((p for p in prompts if p.voice == voice), key=lambda p: p.order)
        fits = [p for p in own if TEST_SECONDS[0] <= p.seconds <= TEST_SECONDS[1]]
        if voice == HOME:  # one prompt per text, so that no text counts twice
            fits = list({p.transcript: p for p in reversed(fits) if p.transcript}.values())[::-1]
        test = fits[: TEST if voice == HOME else TEST_OTHER]
        texts = {p.transcript for p in test if p.transcript}
        rest = [p for p in own if p not in test and p.transcript not in texts]
        valid = [p for p in rest if p in fits][:VALID]
        yield from ((p, "test" if voice == HOME else "test-voices") for p in test)
        yield from ((p, "valid") for p in valid)
        budget = MINUTES_PER_VOICE * 60 - sum(p.seconds for p in test + valid)
        for prompt in (p for p in rest if p not in valid):
            if prompt.seconds <= budget:
                budget -= prompt.seconds
                yield prompt, "train"


def decode_g722(path: Path) -> NDArray[np.int16]:
    """Decode a raw 64 kb/s G.722 stream to 16 kHz PCM."""
    with av.open(str(path), format="g722") as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return np.concatenate(frames).astype(np.int16)


def encode_flac(pcm: NDArray[np.int16]) -> bytes:
    """Encode PCM losslessly."""
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, SAMPLE_RATE, format="FLAC")
    return buffer.getvalue()


def encode_opus(pcm: NDArray[np.int16], bit_rate: int = 20_000) -> bytes:
    """Encode PCM as Ogg Opus."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return buffer.getvalue()


def pack(root: Path, out: Path) -> None:
    """Write `corpus.zip` and `corpus.jsonl` into `out`."""
    chosen = sorted(choose_splits(list(find_prompts(root))), key=lambda pair: pair[0].id)
    rows = []
    with zipfile.ZipFile(out / "corpus.zip", "w", zipfile.ZIP_STORED) as archive:
        for prompt, split in chosen:
            lossless = split.startswith("test")
            pcm = decode_g722(prompt.path)
            data = encode_flac(pcm) if lossless else encode_opus(pcm)
            member = f"{prompt.id}.{'flac' if lossless else 'opus'}"
            archive.writestr(zipfile.ZipInfo(member), data)
            rows.append(describe(prompt, split, member, data))
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (out / "corpus.jsonl").write_text(text, encoding="utf-8")


def describe(prompt: Prompt, split: str, member: str, data: bytes) -> dict[str, object]:
    """Return the manifest row of a packed prompt."""
    info = soundfile.info(io.BytesIO(data))
    language, speaker = VOICES[prompt.voice]
    return {
        "id": prompt.id,
        "voice": prompt.voice,
        "speaker": speaker,
        "language": language,
        "seconds": round(info.frames / SAMPLE_RATE, 4),
        "transcript": prompt.transcript,
        "split": split,
        "path": member,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
