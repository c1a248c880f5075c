"""ViSQOL's alignment in time, many pairs at once: not a metric.

As in visqol-python's `alignment` and `signal_utils`: the lag that maximises the cross-correlation
of the two upper envelopes. Only a lag is taken from the envelopes, so transforms of another size
and kind, whose rounding differs, serve; the samples themselves are the package's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.visqol_kernels import Floats


class Piece(NamedTuple):
    """Part of a signal: samples (T,), and the first one's index in it, None if zeros precede."""

    samples: Floats
    origin: int | None


def sliced(signal: Floats, start_time: float, end_time: float, sample_rate: int) -> Piece:
    """Return the samples between two times in seconds, as the package's `slice_signal` does.

    It leaves the signal's last sample out and puts the silence for a time after the end before
    the samples, as the C++ does.
    """
    start = int(start_time * sample_rate)
    end = min(signal.size - 1, int(end_time * sample_rate))
    missing = int(max(0.0, end_time * sample_rate - signal.size))
    if missing:
        return Piece(np.concatenate([np.zeros(missing), signal[start:end]]), None)
    return Piece(signal[start:end], start)


def lags(fft: Any, references: Floats, estimates: Floats) -> NDArray[np.int64]:
    """Return by how many samples each estimate (n, T2) comes before its reference (n, T1).

    0 where the package does not shift: the lag exceeds half the reference. `fft` is scipy.fft.
    """
    length = max(references.shape[1], estimates.shape[1])
    size = fft.next_fast_len(2 * length - 1, real=True)
    if references.shape == estimates.shape:
        reference, estimate = _upper_envelopes(fft, references, estimates)
    else:
        reference, _ = _upper_envelopes(fft, references, references)
        estimate, _ = _upper_envelopes(fft, estimates, estimates)
    spectrum = fft.rfft(reference, size)
    spectrum *= np.conj(fft.rfft(estimate, size))
    correlation = fft.irfft(spectrum, size, overwrite_x=True)
    before, after = correlation[:, size - length + 1 :], correlation[:, :length]
    found = np.where(
        after.max(axis=1) > before.max(axis=1),
        after.argmax(axis=1),
        before.argmax(axis=1) - (length - 1),
    )
    return np.where(np.abs(found) > references.shape[1] / 2.0, 0, found)


def shifted(samples: Floats, lag: int) -> Floats:
    """Return an estimate moved by `lag` samples: zeros put before it, or its start cut off."""
    return samples[-lag:] if lag < 0 else np.concatenate([np.zeros(lag), samples])


def matched(reference: Piece, estimate: Piece, lag: int, sample_rate: int) -> tuple[Piece, Piece]:
    """Return both, the estimate moved by `lag`, at one length, as `align_and_truncate` does."""
    moved = _moved(estimate, lag)
    excess = moved.samples.size - reference.samples.size
    # In seconds and back, as the package has it: the truncation can lose a sample.
    cut = int(lag / float(sample_rate) * sample_rate) if lag > 0 and excess > 0 else 0
    if cut:
        reference = _without(reference, cut)
        moved = estimate if cut == lag else Piece(moved.samples[cut:], None)
    length = min(reference.samples.size, moved.samples.size)
    return (
        Piece(reference.samples[:length], reference.origin),
        Piece(moved.samples[:length], moved.origin),
    )


def _moved(piece: Piece, lag: int) -> Piece:
    if lag == 0:
        return piece
    return _without(piece, -lag) if lag < 0 else Piece(shifted(piece.samples, lag), None)


def _without(piece: Piece, count: int) -> Piece:
    origin = None if piece.origin is None else piece.origin + count
    return Piece(piece.samples[count:], origin)


def _upper_envelopes(fft: Any, references: Floats, estimates: Floats) -> Floats:
    """Return |analytic signal| of both (2, n, T), the mean taken out before and put back after."""
    pairs = np.stack([references, estimates])
    mean = pairs.mean(axis=2, keepdims=True)
    pairs -= mean
    peak = np.maximum(pairs.max(axis=2, keepdims=True), -pairs.min(axis=2, keepdims=True))
    pairs /= np.where(peak > 0, peak, 1.0)
    # Both at once, as one complex signal: a transform whose length has a large prime factor takes
    # as long as for a real one. At one level, so that neither's rounding drowns the other.
    spectrum = fft.fft(pairs[0] + 1j * pairs[1], overwrite_x=True)
    half = spectrum.shape[1] // 2
    spectrum[:, 1 : half + 1] *= -1j
    spectrum[:, half + 1 :] *= 1j
    spectrum[:, 0] = 0
    if spectrum.shape[1] % 2 == 0:
        spectrum[:, half] = 0
    quadrature = fft.ifft(spectrum, overwrite_x=True)
    power = pairs**2
    power[0] += quadrature.real**2
    power[1] += quadrature.imag**2
    # Times the peak: silence stays exactly 0.
    envelopes: Floats = np.sqrt(power, out=power) * peak + mean
    return envelopes
