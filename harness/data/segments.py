"""Read a stored audio file, or cut one channel of one segment out of a longer recording."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from harness.errors import UserError

# Stored with at most 16 bits, so that a segment of 16-bit PCM loses nothing.
SUBTYPES = {"PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW"}


def read_stored(
    path: Path, name: str, channel: int | None = None, start: float = 0.0, stop: float | None = None
) -> bytes:
    """Return the file's bytes, or a 16-bit WAV of one segment if one is asked for.

    `start` and `stop` are in seconds. Raises UserError, naming `name`, if the file is missing or
    `cut_segment` refuses.
    """
    if channel is not None or start or stop is not None:
        return cut_segment(path, name, channel, start, stop)
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise UserError(f"{name}: {path}: {reason}; restore the file or remake the list") from error


def cut_segment(
    path: Path, name: str, channel: int | None, start: float, stop: float | None
) -> bytes:
    """Return one channel between `start` and `stop` seconds as a 16-bit WAV.

    WAV and not FLAC: a FLAC file names its encoder's version, so that an upgrade of the library
    would change the segment's hash and with it the identity of everything computed from it.
    Raises UserError: unreadable, no such channel, more than 16 bits, or outside the recording.
    """
    try:
        with soundfile.SoundFile(path) as file:
            index = _choose_channel(file, path, name, channel)
            first, last = _choose_samples(file, path, name, start, stop)
            file.seek(first)
            samples = file.read(last - first, dtype="int16", always_2d=True)
            rate = int(file.samplerate)
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{name}: {path}: cannot be read as audio ({error}); replace it") from error
    if len(samples) < last - first:
        raise UserError(f"{name}: {path} is truncated at sample {first + len(samples)}; replace it")
    return _encode_wav(samples[:, index], rate)


def _choose_channel(file: soundfile.SoundFile, path: Path, name: str, channel: int | None) -> int:
    if file.subtype not in SUBTYPES:
        raise UserError(f"{name}: {path} is stored as {file.subtype}; convert it to 16-bit PCM")
    index = 0 if channel is None and file.channels == 1 else channel
    if index is None or not 0 <= index < file.channels:
        raise UserError(
            f"{name}: channel {channel} is asked for, but {path} has {file.channels} channel(s); "
            "correct the segment or replace the recording"
        )
    return index


def _choose_samples(
    file: soundfile.SoundFile, path: Path, name: str, start: float, stop: float | None
) -> tuple[int, int]:
    first = round(start * file.samplerate)
    last = file.frames if stop is None else round(stop * file.samplerate)
    if not 0 <= first < last <= file.frames:
        raise UserError(
            f"{name}: the segment from {start} to {stop} s is empty or lies outside {path}, which "
            f"lasts {file.frames / file.samplerate:.3f} s; correct the segment"
        )
    return first, last


def _encode_wav(samples: NDArray[np.int16], rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
