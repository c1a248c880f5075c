"""ViSQOL in speech mode, lattice mapping, through visqol-python and a TFLite runtime.

Source: Chinen et al., "ViSQOL v3: an open source production ready objective speech and audio
metric", QoMEX 2020; the deep lattice network is the default of Google's C++ since 3.3.
"""

from __future__ import annotations

from typing import Any

from metrics.base import Facts
from metrics.packages import import_pinned
from metrics.visqol_core import SpeechVisqol
from metrics.visqol_gammatone import PINS
from metrics.visqol_kernels import Floats

_RUNTIME = {"ai-edge-litert": "2.3.0"}
_LOWEST_BANDS = 0.10  # the quantile of patches whose mean similarity is the second feature


class VisqolLattice(SpeechVisqol):
    """ViSQOL, MOS-LQO, as Google's C++ gives it by default.

    The lattice network sees how similarity spreads over patches and the estimate's energy, not
    the mean similarity alone: the reference itself has no fixed value (3.9 to 4.7 on speech), and
    white noise at 15 dB already takes it near its floor of 1, where it wavers.
    """

    facts = Facts(
        name="visqol_lattice",
        label="ViSQOL (speech, lattice)",
        kind="reference",
        unit="MOS-LQO",
        higher_is_better=True,
        sample_rate=16_000,
        version=(
            f"1 (visqol-python {PINS['visqol-python']}, speech, lattice mapping, "
            f"ai-edge-litert {_RUNTIME['ai-edge-litert']})"
        ),
        source="Chinen et al., ViSQOL v3, QoMEX 2020",
        description=(
            "Similarity of gammatone spectrogram patches where the reference is active, mapped to "
            "a quality by a deep lattice network."
        ),
        lower_bound=1.0,
        slow=True,
    )
    packages = (*SpeechVisqol.packages, "ai-edge-litert")
    optional = True

    def mapper(self) -> Any:
        """Return the lattice network; raises MetricUnavailable without its runtime."""
        import_pinned("ai_edge_litert.interpreter", _RUNTIME)
        path = import_pinned("visqol.visqol_manager", PINS)._DEFAULT_LATTICE_MODEL
        return import_pinned("visqol.quality_mapper", PINS).TFLiteSpeechQualityMapper(path)

    def features(self, patches: list[Any]) -> tuple[Floats, Floats, Floats]:
        """Return the bands' lowest similarities, their standard deviations and energies."""
        return (
            self._core.calc_per_patch_freq_band_quantile(patches, _LOWEST_BANDS),
            self._core.calc_per_patch_mean_freq_band_stddevs(patches, self._patches.frame_seconds),
            self._core.calc_per_patch_mean_freq_band_deg_energy(patches),
        )
