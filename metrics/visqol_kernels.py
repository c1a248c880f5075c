"""ViSQOL's inner loops, arranged so that a compiler can vectorise them: not a metric.

Each sum is formed in visqol-python's own order, for several frames (or offsets) side by side: every
value is bit-equal to the package's. Plain Python here; `compiled` brings numba in.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from metrics.packages import import_pinned

Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]
# Frames filtered side by side: two or four vector registers, whatever the processor's width.
_LANES = 16


class Kernels(NamedTuple):
    """The compiled loops, by the names of their Python forms."""

    filter_frames: Callable[[Floats, Indices, Floats, Floats], Floats]
    local_statistics: Callable[[Floats, Floats], tuple[Floats, Floats]]
    patch_similarities: Callable[..., Floats]
    best_offsets: Callable[[Floats, Indices, int], tuple[Indices, NDArray[np.bool_]]]


@cache
def compiled() -> Kernels:
    """Return the loops compiled; raises MetricUnavailable without numba."""
    numba = import_pinned("numba", {}, "ViSQOL needs it for speed: pip install numba")
    # As in C, a division by zero is no exception: its check would forbid vector code.
    jit: Any = numba.njit(cache=True, error_model="numpy")
    return Kernels(
        jit(filter_frames), jit(local_statistics), jit(patch_similarities), jit(best_offsets)
    )


def filter_frames(signal: Floats, starts: Indices, window: Floats, coefficients: Floats) -> Floats:
    """Return the gammatone filters' RMS outputs (bands, frames) for frames at `starts`.

    `coefficients` (8, bands): the numerators' b0 / gain, b1 / gain of stage 1, the b0 and the b1 of
    stages 2, 3 and 4, and the shared denominator's a1, a2; every b2 is 0. Filters start at rest.
    """
    size, frames, bands = window.shape[0], starts.shape[0], coefficients.shape[1]
    out = np.empty((bands, frames))
    x = np.empty(size * _LANES)
    z = np.empty(9 * _LANES)  # two delays of each stage, then the energy
    for first in range(0, frames, _LANES):
        for lane in range(_LANES):
            start = starts[min(first + lane, frames - 1)]
            for k in range(size):
                x[k * _LANES + lane] = signal[start + k] * window[k]
        for band in range(bands):
            c = coefficients[:, band]
            gained, b01, b0, b11, b21, b31, a1, a2 = c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
            z[:] = 0.0
            for k in range(size):
                for lane in range(_LANES):
                    value = x[k * _LANES + lane]
                    y0 = gained * value + z[lane]
                    z[lane] = b01 * value - a1 * y0 + z[_LANES + lane]
                    z[_LANES + lane] = -(a2 * y0)
                    y1 = b0 * y0 + z[2 * _LANES + lane]
                    z[2 * _LANES + lane] = b11 * y0 - a1 * y1 + z[3 * _LANES + lane]
                    z[3 * _LANES + lane] = -(a2 * y1)
                    y2 = b0 * y1 + z[4 * _LANES + lane]
                    z[4 * _LANES + lane] = b21 * y1 - a1 * y2 + z[5 * _LANES + lane]
                    z[5 * _LANES + lane] = -(a2 * y2)
                    y3 = b0 * y2 + z[6 * _LANES + lane]
                    z[6 * _LANES + lane] = b31 * y2 - a1 * y3 + z[7 * _LANES + lane]
                    z[7 * _LANES + lane] = -(a2 * y3)
                    z[8 * _LANES + lane] += y3 * y3
            for lane in range(min(_LANES, frames - first)):
                out[band, first + lane] = np.sqrt(z[8 * _LANES + lane] / size)
    return out


def local_statistics(padded: Floats, kernel: Floats) -> tuple[Floats, Floats]:
    """Return the weighted local mean and variance of every frame, each (3, bands, frames).

    The first axis is the frame's place in a patch: its first column (whose left neighbour is
    itself), an inner one, its last. `kernel` (3, 3) are the weights; rows repeat at the borders.
    """
    rows, width = padded.shape
    mean, variance = np.zeros((3, rows, width)), np.zeros((3, rows, width))
    for place in range(3):
        left, right = int(place != 0), int(place != 2)
        for row in range(rows):
            for frame in range(left, width - right):
                total, squares = 0.0, 0.0
                for i in range(3):
                    line = min(max(row + i - 1, 0), rows - 1)
                    for j in range(3):
                        shift = -left if j == 0 else (right if j == 2 else 0)
                        value = padded[line, frame + shift]
                        total += kernel[i, j] * value
                        squares += kernel[i, j] * (value * value)
                mean[place, row, frame] = total
                variance[place, row, frame] = squares - total * total
    return mean, variance


def patch_similarities(
    patches: Floats,
    places: Indices,
    padded: Floats,
    statistics: tuple[Floats, Floats],
    radius: int,
    kernel: Floats,
    constants: tuple[float, float],
) -> Floats:
    """Return the NSIM (patches, offsets) of reference patches with the estimate's at each offset.

    `patches` (P, bands, columns) start at `places`; `padded` (bands, offsets + columns - 1) is the
    estimate's spectrogram, zeros after its end, with its `local_statistics`; `radius` in frames.
    NSIM: Hines and Harte, Speech Communication 54(2), 2012, equation 2, over 3 x 3 neighbours.
    """
    count, rows, columns = patches.shape
    offsets = padded.shape[1] - columns + 1
    c1, c3 = constants
    result = np.zeros((count, offsets))
    band, cross = np.empty(offsets), np.empty(offsets)
    for number in range(count):
        own = patches[number]
        low = max(0, places[number] - radius)
        size = min(offsets - 1, places[number] + radius) + 1 - low
        for row in range(rows):
            band[:] = 0.0
            for column in range(columns):
                left, right = max(column - 1, 0), min(column + 1, columns - 1)
                cross[:] = 0.0
                mu, power = 0.0, 0.0
                for i in range(3):
                    line = min(max(row + i - 1, 0), rows - 1)
                    u, v, w = kernel[i, 0], kernel[i, 1], kernel[i, 2]
                    a, b, c = own[line, left], own[line, column], own[line, right]
                    mu = mu + u * a + v * b + w * c
                    power = power + u * (a * a) + v * (b * b) + w * (c * c)
                    x, y = padded[line, low + left :], padded[line, low + column :]
                    z = padded[line, low + right :]
                    for n in range(size):
                        cross[n] = cross[n] + u * (a * x[n]) + v * (b * y[n]) + w * (c * z[n])
                sigma = power - mu * mu
                place = 0 if column == 0 else (2 if column == columns - 1 else 1)
                means = statistics[0][place, row, low + column :]
                variances = statistics[1][place, row, low + column :]
                for n in range(size):
                    product, spread = mu * means[n], sigma * variances[n]
                    intensity = (2.0 * product + c1) / (mu * mu + means[n] * means[n] + c1)
                    root = np.sqrt(0.0 if spread < 0.0 else spread)
                    band[n] += intensity * ((cross[n] - product + c3) / (root + c3))
            for n in range(size):
                result[number, low + n] += band[n] / columns
        for n in range(size):
            result[number, low + n] /= rows
    return result


def best_offsets(
    similarity: Floats, places: Indices, radius: int
) -> tuple[Indices, NDArray[np.bool_]]:
    """Return each patch's offset (patches,) on the best path, and whether it was lost (no match).

    Offsets rise from patch to patch; a patch whose own match would cost the path is lost. Of equal
    predecessors the rightmost is taken, and of equal ends the leftmost, as the package does.
    """
    count, offsets = similarity.shape
    total = similarity.copy()
    back = np.full((count, offsets), -1, dtype=np.int64)
    for number in range(1, count):
        low = max(0, places[number] - radius)
        high = min(offsets - 1, places[number] + radius)
        best, best_offset = -1e308, -1
        for offset in range(max(0, places[number - 1] - radius), high + 1):
            before = total[number - 1, offset]
            if offset >= low:
                value, source = similarity[number, offset] + best, best_offset
                if before > value:
                    value, source = before, offset
                total[number, offset] = value
                back[number, offset] = source
            if before >= best:
                best, best_offset = before, offset
    last = max(0, places[count - 1] - radius)
    high = min(offsets - 1, places[count - 1] + radius)
    for offset in range(last + 1, high + 1):
        if total[count - 1, offset] > total[count - 1, last]:
            last = offset
    chosen = np.empty(count, dtype=np.int64)
    lost = np.zeros(count, dtype=np.bool_)
    for number in range(count - 1, -1, -1):
        chosen[number] = last
        lost[number] = last == back[number, last]
        last = back[number, last]
    return chosen, lost
