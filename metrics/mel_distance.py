"""Multi-scale mel distance, as the Descript Audio Codec reports it.

Source: Kumar, Seetharaman, Luebs, Kumar, Kumar, "High-fidelity audio compression with improved
RVQGAN", NeurIPS 2023, arXiv 2306.06546, section 3.4 (scales) and 4 ("Mel distance").
"""

from __future__ import annotations

import numpy as np

from metrics.base import (
    Facts,
    Metric,
    Prepared,
    Samples,
    Score,
    Utterance,
    check_audio,
    check_pair,
)
from metrics.spectra import mel_filters, stft_magnitude

# Window in samples -> mel bands; the hop is a quarter of the window.
_SCALES = {32: 5, 64: 10, 128: 20, 256: 40, 512: 80, 1024: 160, 2048: 320}
_FLOOR = 1e-5
# The longest window.
_MIN_SECONDS = 0.128


class MelDistance(Metric):
    """Mean |log10 mel - log10 mel'| over frames and bands, summed over scales; 0 for the reference.

    Mel spectra are of magnitude, not power, and floored at 1e-5, about -100 dB. The windows are the
    paper's in samples, here at 16 kHz: values measured at other rates are not comparable.
    """

    facts = Facts(
        name="mel_distance",
        label="Mel distance",
        kind="reference",
        unit="log10 magnitude",
        higher_is_better=False,
        sample_rate=16_000,
        version=(
            "1 (Hann windows 32 64 128 256 512 1024 2048, hop a quarter, mel bands 5 10 20 40 80 "
            "160 320 to 8 kHz, Slaney, log10 magnitude, floor 1e-5, L1, scales summed)"
        ),
        source="Kumar et al., Descript Audio Codec, NeurIPS 2023, arXiv 2306.06546, section 3.4",
        description=(
            "Absolute difference of log10 mel spectra at windows from 2 to 128 ms, averaged over "
            "frames and bands and summed over the seven windows. Codecs are trained on it."
        ),
        lower_bound=0.0,
    )

    def load(self) -> None:
        """Compute the mel filters of every scale."""
        rate = self.facts.sample_rate
        self._filters = {w: mel_filters(rate, w, bands) for w, bands in _SCALES.items()}

    def prepare(self, reference: Samples) -> Prepared:
        """Return the log10 mel spectra of the reference (T,), one (frames, bands) per scale."""
        check_audio(reference, "reference", self.facts.sample_rate, _MIN_SECONDS)
        return {str(window): self._log_mel(reference, window) for window in _SCALES}

    def score(self, utterance: Utterance) -> Score:
        """Score shapes (T,) and (T,) at 16 kHz; raises MetricError on bad or too short input."""
        check_pair(utterance, self.facts, _MIN_SECONDS)
        distances = (
            np.abs(utterance.prepared[str(window)] - self._log_mel(utterance.estimate, window))
            for window in _SCALES
        )
        return Score(sum(float(np.mean(d, dtype=np.float64)) for d in distances))

    def _log_mel(self, samples: Samples, window: int) -> Samples:
        mel = stft_magnitude(samples, window, window // 4) @ self._filters[window].T
        # Both sides are rounded alike, so the reference itself is at 0 exactly.
        return np.log10(np.maximum(mel, _FLOOR)).astype(np.float32)
