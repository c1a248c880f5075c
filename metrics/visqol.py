"""ViSQOL in speech mode, exponential mapping, through visqol-python.

Source: Chinen et al., "ViSQOL v3: an open source production ready objective speech and audio
metric", QoMEX 2020; visqol-python is a port of Google's C++ 3.3.3.
"""

from __future__ import annotations

from typing import Any

from metrics.base import Facts
from metrics.packages import import_pinned
from metrics.visqol_core import SpeechVisqol
from metrics.visqol_gammatone import PINS


class Visqol(SpeechVisqol):
    """ViSQOL, MOS-LQO; 5 for the reference itself.

    The exponential mapping (fitted on TCD-VoIP, scaled to 5) rather than the lattice: it is a
    monotone function of the similarity, and needs no TFLite runtime.
    """

    facts = Facts(
        name="visqol",
        label="ViSQOL (speech)",
        kind="reference",
        unit="MOS-LQO",
        higher_is_better=True,
        sample_rate=16_000,
        version=f"2 (visqol-python {PINS['visqol-python']}, speech, exponential mapping to 5)",
        source="Chinen et al., ViSQOL v3, QoMEX 2020",
        description=(
            "Similarity of gammatone spectrogram patches where the reference is active, mapped to "
            "a quality by an exponential."
        ),
        lower_bound=1.0,
        upper_bound=5.0,
        slow=True,
    )

    def mapper(self) -> Any:
        """Return the exponential, which depends on the mean similarity alone."""
        mappers = import_pinned("visqol.quality_mapper", PINS)
        return mappers.SpeechSimilarityToQualityMapper(scale_to_max_mos=True)

    def features(self, patches: list[Any]) -> tuple[()]:
        """Return none."""
        return ()
