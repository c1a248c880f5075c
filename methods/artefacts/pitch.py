"""Where the voice's periods lie: fundamental frequency, and one mark per period.

The fundamental is found by YIN (de Cheveigne and Kawahara, J. Acoust. Soc. Am. 111(4), 2002).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from methods.artefacts.base import Floats
from methods.params import MethodError

Marks = NDArray[np.int64]
LOWEST, HIGHEST = 60.0, 450.0  # Hz
STEP, WINDOW = 0.005, 0.025  # seconds
DIP = 0.2  # of the normalised difference: higher is not periodic
QUIET = 10**-3.5  # of the loudest frame's energy: lower is not voice
OCTAVE = 1.8  # times the median: further away is taken for an octave error
SHORTEST_RUN = 6  # frames
UNVOICED = 0.010  # seconds between marks where there is no period
MIN_RATE = 8_000


def track(samples: Floats, rate: int) -> Floats:
    """Return the fundamental in Hz at every 5 ms, NaN where there is no voice.

    Raises MethodError below 8 kHz.
    """
    if rate < MIN_RATE:
        raise MethodError(f"pitch is found at {MIN_RATE} Hz and above, not at {rate} Hz")
    width, longest = round(WINDOW * rate), int(np.ceil(rate / LOWEST))
    half = (width + longest) // 2
    padded = np.pad(samples, (half, width + longest))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width + longest)
    frames = frames[: len(samples) : hop_of(rate)]
    difference, energy = _difference(frames, width, longest)
    lags = _first_dip(difference, int(rate / HIGHEST))
    found = np.full(len(frames), np.nan)
    voiced = (lags > 0) & (energy > QUIET * energy.max())
    found[voiced] = rate / lags[voiced]
    return _cleaned(found)


def hop_of(rate: int) -> int:
    """Return the samples between two values of `track`."""
    return round(STEP * rate)


def _difference(frames: Floats, width: int, longest: int) -> tuple[Floats, Floats]:
    """Return YIN's normalised difference (frames, lags), equation 8, and each frame's energy."""
    size = frames.shape[1] + width
    spectra = np.fft.rfft(frames, size), np.fft.rfft(frames[:, :width], size)
    products = np.fft.irfft(spectra[0] * spectra[1].conj(), size)[:, : longest + 1]
    sums = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    energies = sums[:, width : width + longest + 1] - sums[:, : longest + 1]
    difference = np.maximum(energies[:, :1] + energies - 2 * products, 0.0)
    means = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, longest + 1)
    normalised = np.ones_like(difference)
    np.divide(difference[:, 1:], means, out=normalised[:, 1:], where=means > 0)
    return normalised, energies[:, 0]


def _first_dip(difference: Floats, shortest: int) -> Floats:
    """Return the first lag (frames,) whose difference dips below DIP, to a fraction; else 0."""
    before, at, after = difference[:, :-2], difference[:, 1:-1], difference[:, 2:]
    dips = (at < DIP) & (at <= before) & (at < after)
    dips[:, : max(0, shortest - 1)] = False
    rows, first = np.arange(len(dips)), dips.argmax(axis=1)
    left, low, right = (part[rows, first] for part in (before, at, after))
    bend = left - 2 * low + right
    shift = np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
    return np.where(dips.any(axis=1), first + 1 + shift, 0.0)


def _cleaned(found: Floats) -> Floats:
    """Drop octave errors and the briefest runs, and take the median of five within a run."""
    if np.isnan(found).all():
        return found
    middle = np.nanmedian(found)
    far = (found > middle * OCTAVE) | (found < middle / OCTAVE)
    found, smooth = np.where(far, np.nan, found), np.full_like(found, np.nan)
    for start, stop in runs(found):
        if stop - start >= SHORTEST_RUN:
            padded = np.pad(found[start:stop], 2, mode="edge")
            around = np.lib.stride_tricks.sliding_window_view(padded, 5)
            smooth[start:stop] = np.median(around, axis=1)
    return smooth


def runs(found: Floats) -> list[tuple[int, int]]:
    """Return the (start, stop) of every stretch without NaN."""
    edges = np.flatnonzero(np.diff(np.pad(~np.isnan(found), 1).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def pitch_marks(samples: Floats, rate: int, found: Floats) -> Marks:
    """Return increasing marks from 0 to T: one a period in voice, one in about 10 ms elsewhere."""
    hop, marks = hop_of(rate), [0, len(samples)]
    margin = 3 * int(np.ceil(rate / LOWEST))
    padded = np.pad(samples, margin)
    for start, stop in runs(found):
        span = margin + start * hop, margin + min(stop * hop, len(samples))
        walked = _walk(padded, span, rate / found[start:stop], hop)
        marks += [mark - margin for mark in walked]
    ordered = np.unique(marks)
    parts = [_filled(int(a), int(b), rate) for a, b in pairwise(ordered)]
    return np.concatenate([*parts, ordered[-1:]])


def _filled(start: int, stop: int, rate: int) -> Marks:
    """Divide a gap that no period explains into steps of about 10 ms."""
    parts = round((stop - start) / (UNVOICED * rate)) if (stop - start) * LOWEST > rate else 1
    return np.round(np.linspace(start, stop, max(1, parts), endpoint=False)).astype(np.int64)


def _walk(padded: Floats, span: tuple[int, int], periods: Floats, hop: int) -> list[int]:
    """Walk from the loudest sample of a voiced span to both of its ends, period by period."""
    start, end = span
    first = start + int(np.abs(padded[start:end]).argmax())
    marks = [first]
    for direction in (1, -1):
        at = first
        while True:
            period = float(periods[min((at - start) // hop, len(periods) - 1)])
            at = _next_mark(padded, at, period, direction)
            if not start <= at < end:
                break
            marks.append(at)
    return marks


def _next_mark(padded: Floats, mark: int, period: float, direction: int) -> int:
    """Return the place a period away where the waveform is most like that around `mark`."""
    half = round(period / 2)
    steps = direction * np.arange(round(0.8 * period), round(1.25 * period) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    own, others = windows[mark - half], windows[mark - half + steps]
    norms = np.sqrt((others**2).sum(axis=1))
    likeness = np.divide(others @ own, norms, out=np.zeros_like(norms), where=norms > 0)
    return mark + int(steps[likeness.argmax()])
