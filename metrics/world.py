"""F0 and spectral envelopes by the WORLD vocoder's analysis, through pyworld.

Source: Morise, Yokomori, Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system for
real-time applications", IEICE Trans. E99-D(7), 2016: DIO refined by StoneMask, and CheapTrick.

DIO, not Harvest, which ESPnet and VERSA run from 40 Hz: Harvest fills gaps on purpose (91 % of the
frames of four seconds of read speech came out voiced), and takes over twenty times as long.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from metrics.base import Metric, Samples
from metrics.packages import import_pinned

PINS = {"pyworld": "0.3.5"}
SAMPLE_RATE = 16_000
FRAME_SECONDS = 0.005
FFT_SIZE = 1024
# CheapTrick's longest window is three periods of the lowest F0; an estimate needs a few of them.
MIN_SECONDS = 0.1
VERSION = f"pyworld {PINS['pyworld']}, DIO and StoneMask, 71 to 800 Hz, frames of 5 ms"
# WORLD's own range. A floor of 40 Hz finds sub-harmonics.
_FLOOR_HZ, _CEILING_HZ = 71.0, 800.0


class WorldMetric(Metric):
    """A metric on WORLD's analysis."""

    packages = tuple(PINS)

    def load(self) -> None:
        """Import pyworld; raises MetricUnavailable if it is absent or at another version."""
        import_pinned("pyworld", PINS)


def f0_track(samples: Samples) -> NDArray[np.float64]:
    """Return F0 in Hz of samples (T,) at 16 kHz every 5 ms, 0 where unvoiced: shape (frames,)."""
    return _f0_of(samples.astype(np.float32, copy=False).tobytes())


def envelope(samples: Samples) -> NDArray[np.float64]:
    """Return the power envelope of samples (T,) at 16 kHz every 5 ms, shape (frames, 513)."""
    import pyworld

    signal, f0 = samples.astype(np.float64), f0_track(samples)
    times = np.arange(f0.size) * FRAME_SECONDS
    return np.asarray(pyworld.cheaptrick(signal, f0, times, SAMPLE_RATE, fft_size=FFT_SIZE))


# Three metrics need the same estimate's track in turn.
@lru_cache(maxsize=2)
def _f0_of(samples: bytes) -> NDArray[np.float64]:
    import pyworld

    signal = np.frombuffer(samples, dtype=np.float32).astype(np.float64)
    rough, times = pyworld.dio(
        signal,
        SAMPLE_RATE,
        f0_floor=_FLOOR_HZ,
        f0_ceil=_CEILING_HZ,
        frame_period=1000 * FRAME_SECONDS,
    )
    track = np.asarray(pyworld.stonemask(signal, rough, times, SAMPLE_RATE))
    track.setflags(write=False)
    return track
