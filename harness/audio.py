"""Audio in and out, and the one resampling policy of the benchmark.

Audio is mono float32 in [-1, 1], shape (T,). Resampling is soxr at its "HQ" setting, everywhere;
the policy's name goes into every record. Lengths are aligned here or the evaluation fails.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from harness.errors import UserError

Samples = NDArray[np.float32]
RESAMPLING_POLICY = f"soxr-hq-{soxr.__version__}"


def resample(samples: Samples, source: int, target: int) -> Samples:
    """Resample (T,) from `source` to `target` Hz; round(T * target / source) samples come out."""
    if source == target:
        return samples
    return np.asarray(soxr.resample(samples, source, target, quality="HQ"), dtype=np.float32)


def read_audio(
    source: Path | bytes, name: str, expected_rate: int | None = None
) -> tuple[Samples, int]:
    """Read one mono file as (samples, rate).

    Raises UserError, naming the file: unreadable, truncated, stereo, empty, silent, not finite, or
    at another rate than `expected_rate`.
    """
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            promised, rate, channels = file.frames, file.samplerate, file.channels
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{name}: cannot be read as audio ({error}); replace the file") from error
    if channels != 1:
        raise UserError(
            f"{name}: has {channels} channels; mono is needed, so choose or mix channels first"
        )
    check_complete(data, name)
    if len(samples) < promised:
        raise UserError(
            f"{name}: is truncated ({len(samples)} of {promised} samples); replace the file"
        )
    if expected_rate is not None and rate != expected_rate:
        raise UserError(
            f"{name}: is at {rate} Hz, {expected_rate} Hz is declared; resample it, or declare "
            f"{rate} Hz"
        )
    check_audible(samples[:, 0], name)
    return samples[:, 0], rate


def check_complete(data: bytes, name: str) -> None:
    """Raise UserError if a WAV or Ogg file ends early, which libsndfile reads without complaint."""
    checks = {b"RIFF": _wav_ends_early, b"OggS": _ogg_ends_early}
    check = checks.get(data[:4])
    if check is not None and check(data):
        raise UserError(f"{name}: is truncated (the end of the file is missing); replace the file")


def _wav_ends_early(data: bytes) -> bool:
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"data":  # all ones: a stream of a length unknown to its writer
            return size != 0xFFFFFFFF and at + 8 + size > len(data)
        at += 8 + size + size % 2
    return True


def _ogg_ends_early(data: bytes) -> bool:
    """Look for a whole last page (RFC 3533, section 6: flag 4 of byte 5; sizes from byte 26)."""
    last = data.rfind(b"OggS")
    header = data[last : last + 27]
    if len(header) < 27 or not header[5] & 4:
        return True
    sizes = data[last + 27 : last + 27 + header[26]]
    return len(sizes) < header[26] or last + 27 + len(sizes) + sum(sizes) > len(data)


def check_audible(samples: Samples, name: str) -> None:
    """Raise UserError unless `samples` is non-empty, finite and not digital silence."""
    if samples.size == 0:
        raise UserError(f"{name}: holds no samples; remove it or replace the file")
    if not np.isfinite(samples).all():
        raise UserError(f"{name}: holds NaN or infinite samples; replace the file")
    if not samples.any():
        raise UserError(f"{name}: is digital silence; remove it or replace the file")


def fit_length(samples: Samples, length: int, padding: int, name: str) -> Samples:
    """Cut the codec's padding, at most `padding` samples, from the end of an estimate.

    Raises UserError if the estimate is shorter than `length` or longer than the padding explains.
    """
    surplus = len(samples) - length
    if surplus < 0:
        raise UserError(
            f"{name}: has {len(samples)} samples where the reference has {length}; an estimate is "
            "never filled up"
        )
    if surplus > padding:
        raise UserError(
            f"{name}: has {len(samples)} samples where the reference has {length}, more than the "
            f"{padding} samples the codec's padding explains"
        )
    return samples[:length]


def fit_resampled(samples: Samples, length: int, rates: tuple[int, int]) -> Samples:
    """Fit an estimate resampled from one of two rates to the other to its reference's `length`.

    Rounding at the lower rate alone can make it a sample of that rate longer or shorter: so much is
    cut, or filled with zeros. What differs by more is returned as it is.
    """
    slack = -(-rates[1] // rates[0]) + 1
    if not 0 < abs(len(samples) - length) <= slack:
        return samples
    return np.pad(samples, (0, max(0, length - len(samples))))[:length]


def write_flac(path: Path, samples: Samples, rate: int) -> int:
    """Write (T,) as 16-bit FLAC and return how many samples lay beyond full scale.

    Scaled by 32768, as reading is, so that 16-bit audio survives a round trip bit for bit.
    """
    scaled = np.rint(samples.astype(np.float64) * 32768)
    whole = np.clip(scaled, -32768, 32767)
    soundfile.write(path, whole.astype(np.int16), rate, format="FLAC", subtype="PCM_16")
    return int((scaled != whole).sum())
