"""Cosine between speaker embeddings, through Resemblyzer.

Source: Wan, Wang, Papir, Lopez Moreno, "Generalized end-to-end loss for speaker verification",
ICASSP 2018; Resemblyzer's encoder (Jemine, 2019), whose weights its package carries.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from metrics.base import (
    Facts,
    Metric,
    MetricError,
    Prepared,
    Samples,
    Score,
    Utterance,
    check_audio,
    check_pair,
)
from metrics.packages import import_pinned, verified

_PINS = {"Resemblyzer": "0.1.4"}
_WEIGHTS_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
_HINT = "Its webrtcvad needs pkg_resources, gone from newer ones: pip install 'setuptools<81'"
_MIN_SECONDS = 0.5
_RATE = 16_000
# embed_utterance's defaults: windows of 1.6 s per second, and how much of the last must be there.
_PARTS_RATE = 1.3
_COVERAGE = 0.75

Floats: TypeAlias = NDArray[np.float64]


class SpeakerSimilarity(Metric):
    """Cosine of the two embeddings, in [0, 1] as their components are; 1 for the same audio.

    Each side is prepared as Resemblyzer prescribes: raised to -30 dBFS if quieter, and only the
    stretches its voice activity detector keeps are embedded.
    """

    facts = Facts(
        name="speaker_similarity",
        label="Speaker similarity",
        kind="reference",
        unit="cosine",
        higher_is_better=True,
        sample_rate=_RATE,
        version=f"2 (Resemblyzer {_PINS['Resemblyzer']}, voiced parts)",
        source="Wan et al., GE2E, ICASSP 2018; Resemblyzer 0.1.4",
        description=(
            "Cosine between speaker embeddings of estimate and reference. Different speakers "
            "score far above 0: compare systems, not the value with 1."
        ),
        lower_bound=0.0,
        upper_bound=1.0,
    )
    model = "Resemblyzer"
    packages = ("Resemblyzer", "webrtcvad", "torch", "librosa", "scipy")

    def load(self) -> None:
        """Load the encoder on the CPU; raises MetricUnavailable if something is absent."""
        with warnings.catch_warnings():
            # Deprecations inside webrtcvad (pkg_resources) and Resemblyzer (scipy.ndimage).
            warnings.simplefilter("ignore")
            package = import_pinned("resemblyzer", _PINS, _HINT)
        weights = verified(
            Path(package.__file__).with_name("pretrained.pt"), _WEIGHTS_SHA256, _PINS
        )
        self._encoder: Any = package.VoiceEncoder("cpu", verbose=False, weights_fpath=weights)
        self._audio: Any = import_pinned("resemblyzer.audio", _PINS)
        self._detector: Any = import_pinned("webrtcvad", _PINS).Vad
        self._torch: Any = import_pinned("torch", {})
        self._fft: Any = import_pinned("scipy.fft", {})
        size = self._audio.mel_window_length * _RATE // 1000
        mel = import_pinned("librosa.filters", {}).mel
        # Periodic Hann and librosa's filters, as its melspectrogram builds them at every call.
        self._window = np.hanning(size + 1)[:-1]
        self._filters = mel(sr=_RATE, n_fft=size, n_mels=self._audio.mel_n_channels).T

    def prepare(self, reference: Samples) -> Prepared:
        """Embed the reference (T,) at 16 kHz."""
        check_audio(reference, "reference", _RATE, _MIN_SECONDS)
        return {"embedding": self._embed(reference, "reference")}

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError if a side has no voice."""
        check_pair(utterance, self.facts, _MIN_SECONDS)
        reference = utterance.prepared["embedding"]
        estimate = self._embed(utterance.estimate, "estimate")
        norms = math.sqrt((reference @ reference) * (estimate @ estimate))
        return Score(float(reference @ estimate) / norms)

    def _embed(self, samples: Samples, side: str) -> Floats:
        """Return the mean embedding (256,) of windows of 1.6 s, `embed_utterance`'s."""
        voiced = self._voiced(samples)
        if voiced.size == 0:
            raise MetricError(f"no voice is found in the {side}")
        parts, slices = self._encoder.compute_partial_slices(voiced.size, _PARTS_RATE, _COVERAGE)
        end = max(voiced.size, parts[-1].stop)
        mel = self._mel(np.pad(voiced, (0, end - voiced.size)))
        with self._torch.inference_mode():
            batch = self._torch.from_numpy(np.stack([mel[part] for part in slices]))
            embedding = self._encoder(batch).numpy().mean(axis=0)
        if not np.isfinite(embedding).all():
            raise MetricError(f"the {side} has no finite speaker embedding")
        return np.asarray(embedding, dtype=np.float64)

    def _voiced(self, samples: Samples) -> Samples:
        """Return the stretches with voice of (T,), raised to -30 dBFS, `preprocess_wav`'s."""
        audio = self._audio
        samples = audio.normalize_volume(samples, audio.audio_norm_target_dBFS, increase_only=True)
        size = audio.vad_window_length * _RATE // 1000
        samples = samples[: samples.size - samples.size % size]
        pcm = np.round(samples * audio.int16_max).astype(np.int16).tobytes()
        detector = self._detector(mode=3)
        windows = range(0, len(pcm), 2 * size)
        flags = [detector.is_speech(pcm[start : start + 2 * size], _RATE) for start in windows]
        width = audio.vad_moving_average_width
        padded = np.concatenate([np.zeros((width - 1) // 2), flags, np.zeros(width // 2)])
        smooth = np.convolve(padded, np.ones(width), "valid") / width
        kept = audio.binary_dilation(
            np.round(smooth).astype(bool), np.ones(audio.vad_max_silence_length + 1)
        )
        return np.asarray(samples[np.repeat(kept, size)])

    def _mel(self, samples: Samples) -> NDArray[np.float32]:
        """Return the power in mel bands (frames, 40), every 10 ms, `wav_to_mel_spectrogram`'s."""
        padded = np.pad(samples, self._window.size // 2)
        hop = self._audio.mel_window_step * _RATE // 1000
        frames = sliding_window_view(padded, self._window.size)[::hop]
        spectra = self._fft.rfft(frames * self._window)
        power = spectra.real**2 + spectra.imag**2
        return np.asarray(power @ self._filters, dtype=np.float32)
