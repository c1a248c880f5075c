"""Telephone speech: any corpus as it would sound over the line, or one that did come over it.

A simulated line is, in this order: resampling to 8 kHz (the benchmark's one policy), a linear-phase
band-pass of 300-3400 Hz, and ITU-T G.711 mu-law (256 levels), coded and decoded. Levels are left
as they are. What comes out is the reference: a method is not asked for what the line took away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Json

from harness.audio import RESAMPLING_POLICY, Samples, check_audible, resample
from harness.data.corpus import Corpus, Utterance
from harness.data.registry import open_corpus
from harness.errors import UserError

RATE = 8_000
BAND = (300.0, 3_400.0)  # Hz, the nominal voice band of a channel (ITU-T G.712)
SLOPE = 100.0  # Hz from the band's edge to the stop band, on either side
STOP_DB = 60.0
VERSION = "telephone-1"  # to be raised with any change to what a line does to audio
CLIP, BIAS = 8_158, 33  # of mu-law magnitudes, 14-bit: the largest that counts, and the offset
Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Treated(Utterance):
    """An utterance made of stored audio: `origin` is the hash of those bytes.

    `sha256` names what is served: it follows from `origin` and from what was done to it.
    """

    origin: str = ""

    @property
    def stored(self) -> str:
        """The hash of the stored bytes: it shows that this is the same recording."""
        return self.origin


class TelephoneCorpus(Corpus):
    """The utterances of another corpus as telephone speech: all is kept but audio and hashes.

    `of` is the other corpus' kind, `root` and `options` are its own. With `line: real` its audio
    came over a telephone already, must be at 8 kHz, and is left as it is. Either is served at
    `sample_rate`: at 8 kHz nothing above 4 kHz reaches a metric, while at a higher rate (which a
    joined corpus needs, all its parts having one) the reference is empty above 3.5 kHz, so that
    what a system adds there counts against it.
    Raises UserError as `open_corpus` does for the other corpus.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        of: str,
        options: dict[str, Any] | Json[dict[str, Any]] | None = None,
        line: Literal["simulated", "real"] = "simulated",
        sample_rate: int = RATE,
    ) -> None:
        self._inner = open_corpus(of, None if root is None else str(root), **(options or {}))
        self._line = line
        if sample_rate < RATE:
            raise UserError(f"corpus 'telephone': sample_rate {sample_rate} is below {RATE} Hz")
        if line == "real" and self._inner.sample_rate != RATE:
            raise UserError(
                f"corpus 'telephone': '{of}' is at {self._inner.sample_rate} Hz, but a real "
                f"line's audio is at {RATE} Hz; leave out `line: real`"
            )
        self.name = f"telephone of {self._inner.name}"
        self.sample_rate = sample_rate
        self.licence = self._inner.licence

    def utterances(self) -> Sequence[Utterance]:
        """Return every utterance of the other corpus."""
        return [self._treated(row) for row in self._inner.utterances()]

    def split(self, *names: str) -> list[Utterance]:
        """Return the named splits as the other corpus' `split` does."""
        return [self._treated(row) for row in self._inner.split(*names)]

    def read_bytes(self, utterance: Utterance) -> bytes:
        """Return the other corpus' stored bytes: the line is applied when they are decoded."""
        return self._inner.read_bytes(utterance)

    def decode(self, utterance: Utterance, data: bytes) -> Samples:
        """Return stored bytes as telephone speech (T,). Raises UserError if the line leaves none.

        T is that of the other corpus' audio, to within one sample at 8 kHz.
        """
        samples = self._inner.decode(utterance, data)
        if self._line == "simulated":
            samples = over_the_line(samples, self._inner.sample_rate)
            check_audible(samples, f"corpus '{self.name}', utterance '{utterance.id}'")
        return resample(samples, RATE, self.sample_rate)

    def _treated(self, row: Utterance) -> Treated:
        """Return the row with a hash that changes with whatever changes its audio."""
        made = [VERSION, self._line, str(self.sample_rate), RESAMPLING_POLICY, row.sha256]
        kept = {field.name: getattr(row, field.name) for field in fields(Utterance)}
        digest = hashlib.sha256("\n".join(made).encode()).hexdigest()
        return Treated(**{**kept, "sha256": digest}, origin=row.stored)


def over_the_line(samples: Samples, rate: int) -> Samples:
    """Return samples (T,) at `rate` Hz as (T * 8000 / rate,) at 8 kHz, after the line."""
    return decode_mulaw(encode_mulaw(band_limit(resample(samples, rate, RATE))))


def band_limit(samples: Samples) -> Samples:
    """Keep 300-3400 Hz of samples (T,) at 8 kHz; without delay, and the same length."""
    from scipy.signal import oaconvolve

    return np.asarray(oaconvolve(samples, band_pass(), mode="same"), dtype=np.float32)


@cache
def band_pass() -> NDArray[np.float64]:
    """Return the odd number of taps of the band-pass: `scipy.signal.firwin`, a Kaiser window.

    It passes `BAND` within 0.01 dB and takes 60 dB off what lies 100 Hz or more outside it.
    """
    from scipy.signal import firwin, kaiserord

    count, beta = kaiserord(STOP_DB, SLOPE / (RATE / 2))
    edges = (BAND[0] - SLOPE / 2, BAND[1] + SLOPE / 2)  # where half the amplitude is left
    taps = firwin(count | 1, edges, window=("kaiser", beta), pass_zero=False, fs=RATE)
    return np.asarray(taps, dtype=np.float64)


def encode_mulaw(samples: Samples) -> Codes:
    """Quantize samples in [-1, 1] to the 8-bit codes of ITU-T G.711 (11/88), table 2a/G.711.

    Full scale is 8192 in the table's units, so that a 16-bit sample is four of its steps. A sample
    on a decision value belongs to the interval above it; beyond the last one it is clipped.
    """
    magnitude = np.floor(np.abs(samples.astype(np.float64)) * 8192)
    biased = np.minimum(magnitude, CLIP).astype(np.int64) + BIAS
    segment = np.searchsorted(64 << np.arange(7), biased, side="right")
    step = (biased >> (segment + 1)) & 0xF
    positive = np.where(samples < 0, 0x00, 0x80)
    # All bits but the sign's are inverted before transmission (note 2 of the table).
    return np.asarray(positive | (~(segment << 4 | step) & 0x7F), dtype=np.uint8)


def decode_mulaw(codes: Codes) -> Samples:
    """Return the decoder's output values of 8-bit codes, in [-1, 1]: y of table 2a, over 8192."""
    plain = ~codes.astype(np.int64) & 0x7F
    segment, step = plain >> 4, plain & 0xF
    magnitude = ((2 * step + BIAS) << segment) - BIAS
    return np.asarray(np.where(codes & 0x80, magnitude, -magnitude) / 8192, dtype=np.float32)
