"""The similarity of two utterances that ViSQOL's speech mappings start from: not a metric.

`VisqolCore.calculate_similarity` of visqol-python, with the work on the reference apart from the
estimate's, its slow loops replaced by bit-equal ones (`visqol_kernels`), and no frame filtered
twice (`visqol_gammatone`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from metrics.base import MetricError
from metrics.packages import import_pinned
from metrics.visqol_alignment import Piece, lags, matched, shifted, sliced
from metrics.visqol_gammatone import PINS, Gammatone
from metrics.visqol_kernels import Floats, Indices, compiled


class PatchSimilarity:
    """How alike two signals' spectrograms are, patch by patch of 20 frames (0.4 s)."""

    def __init__(self, sample_rate: int) -> None:
        """Import the package and compile the kernels; raises MetricUnavailable."""
        self._rate = sample_rate
        self._kernels = compiled()
        self._fft: Any = import_pinned("scipy.fft", {})
        self._nsim: Any = import_pinned("visqol.nsim", PINS)
        self._audio: Any = import_pinned("visqol.audio_utils", PINS)
        self._normalize: Any = import_pinned("visqol.signal_utils", PINS).normalize
        self._detector: Any = import_pinned("visqol.patch_creator", PINS).RmsVad
        manager = import_pinned("visqol.visqol_manager", PINS)
        self._columns: int = manager.PATCH_SIZE_SPEECH
        self._radius: int = manager.VisqolManager().search_window * self._columns
        self.gammatone = Gammatone(sample_rate)
        self.frame_seconds: float = self.gammatone.hop / float(sample_rate)

    def places(self, signal: Floats, frames: int) -> Indices:
        """Return the first frames of the reference's patches that hold voice.

        `VadPatchCreator.create_ref_patch_indices`, whose chunks start at sample 9: the first
        patch's frame, taken for a sample.
        """
        first, hop = self._columns // 2 - 1, self.gammatone.hop
        count = (frames - first) // self._columns
        chunks = self._normalize(signal)[first : first + count * self._columns * hop]
        chunks = chunks[: chunks.size - chunks.size % hop].reshape(-1, hop)
        pcm = np.trunc(np.clip(chunks * (1 << 15), -(1 << 15), (1 << 15) - 1))
        detector = self._detector()
        loud = np.sqrt(np.mean(pcm**2, axis=1)) >= detector.RMS_THRESHOLD
        detector.each_chunk_result = loud.astype(float).tolist()
        voiced = detector.get_vad_results()
        starts = range(0, count * self._columns, self._columns)
        kept = [first + at for at in starts if any(voiced[at : at + self._columns])]
        return np.array(kept, dtype=np.int64)

    def compare(
        self, reference: Floats, spectrogram: Floats, places: Indices, estimate: Floats
    ) -> list[Any]:
        """Return the package's PatchSimilarityResult of each patch of the reference (T,).

        Raises:
            MetricError: the estimate (T,) matches too little of the reference.
        """
        estimate = shifted(estimate, int(lags(self._fft, reference[None], estimate[None])[0]))
        pair = [self._audio.AudioSignal(side, self._rate) for side in (reference, estimate)]
        estimate = self._audio.scale_to_match_sound_pressure_level(*pair).data
        spectrograms = (spectrogram, self.gammatone.spectrogram(estimate))
        found = self._matches(places, *self.gammatone.comparable(*spectrograms))
        return self._realigned(found, (reference, estimate), spectrograms)

    def _matches(self, places: Indices, reference: Floats, estimate: Floats) -> list[Any]:
        """Match the patches by dynamic programming, `find_most_optimal_deg_patches`."""
        columns = self._columns
        places = places[places - columns // 2 <= estimate.shape[1]]
        if places.size == 0:
            raise MetricError("ViSQOL: the estimate is too short or misaligned for any patch")
        patches = np.stack([reference[:, place : place + columns] for place in places])
        padded = np.pad(estimate, ((0, 0), (0, columns - 1)))
        weights, constants = self._nsim.GAUSSIAN_WINDOW, (self._nsim.C1, self._nsim.C3)
        statistics = self._kernels.local_statistics(padded, weights)
        similarity = self._kernels.patch_similarities(
            patches, places, padded, statistics, self._radius, weights, constants
        )
        offsets, lost = self._kernels.best_offsets(similarity, places, self._radius)
        return [
            self._match(patch, padded[:, offset : offset + columns], (place, offset), gone)
            for patch, place, offset, gone in zip(
                patches, places.tolist(), offsets.tolist(), lost.tolist(), strict=True
            )
        ]

    def _match(self, patch: Floats, estimate: Floats, frames: tuple[int, int], lost: bool) -> Any:
        """Return a matched pair's similarity and times; a lost patch has none of either."""
        seconds, length = self.frame_seconds, self.frame_seconds * self._columns
        result = self._nsim.measure_patch_similarity(patch, estimate)
        result.ref_patch_start_time = frames[0] * seconds
        result.ref_patch_end_time = result.ref_patch_start_time + length
        if lost:
            result.similarity, result.freq_band_means = 0.0, np.zeros(len(patch))
        else:
            result.deg_patch_start_time = frames[1] * seconds
            result.deg_patch_end_time = result.deg_patch_start_time + length
        return result

    def _realigned(
        self, found: list[Any], signals: tuple[Floats, Floats], spectrograms: tuple[Floats, Floats]
    ) -> list[Any]:
        """Align each pair finely and keep what is more alike, `finely_align_and_recreate_patches`.

        Results keep the reference's times alone, which the standard deviations are weighted by.
        """
        kept = [i for i, result in enumerate(found) if result.deg_patch_end_time > 0]
        pieces = [self._pieces(found[i], signals) for i in kept]
        shifts = self._lags(pieces)
        pairs = [matched(*pair, lag, self._rate) for pair, lag in zip(pieces, shifts, strict=True)]
        references, estimates = (
            self.gammatone.of_pieces([pair[side] for pair in pairs], spectrograms[side])
            for side in (0, 1)
        )
        again = list(found)
        for i, lag, pair, *sides in zip(kept, shifts, pairs, references, estimates, strict=True):
            result = self._nsim.measure_patch_similarity(*self.gammatone.comparable(*sides))
            if not result.similarity < found[i].similarity:
                start = found[i].ref_patch_start_time + max(0, lag) / float(self._rate)
                result.ref_patch_start_time = start
                result.ref_patch_end_time = start + pair[0].samples.size / self._rate
                again[i] = result
        return again

    def _pieces(self, result: Any, signals: tuple[Floats, Floats]) -> tuple[Piece, Piece]:
        reference, estimate = signals
        return (
            sliced(reference, result.ref_patch_start_time, result.ref_patch_end_time, self._rate),
            sliced(estimate, result.deg_patch_start_time, result.deg_patch_end_time, self._rate),
        )

    def _lags(self, pieces: Sequence[tuple[Piece, Piece]]) -> list[int]:
        # Together for pairs of the same lengths: nearly all of them.
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, (reference, estimate) in enumerate(pieces):
            groups[reference.samples.size, estimate.samples.size].append(i)
        found = [0] * len(pieces)
        for members in groups.values():
            references, estimates = (
                np.stack([pieces[i][side].samples for i in members]) for side in (0, 1)
            )
            for i, lag in zip(members, lags(self._fft, references, estimates), strict=True):
                found[i] = int(lag)
        return found
