"""The network of DNSMOS P.835, run once over a clip for all its windows: not a metric.

It is convolutional over frames of 10 ms up to its global maximum, so windows that start a second
apart share all but their edges. Its first four layers (97 % of its cost) run once over the whole
clip, and again only where a window's zero padding reaches in. A batch of windows gains nothing on
one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from metrics.base import Samples

Map: TypeAlias = NDArray[np.float32]
_FRAME, _HOP, _HOPS_PER_SECOND = 320, 160, 100
_WINDOW = 900  # frames
_REACH = 4  # frames: as far as four layers of 3 x 3 look
# Names in the model file: frames (N, F, 320), the first pooled map (N, 32, F / 2, 80), the output.
_FRAMES = "mos_estimator_logpow/concat:0"
_POOLED = "mos_estimator_logpow/conv2d_3/Relu:0_pooling0"
_RATINGS = "Identity:0"


class P835Network:
    """The published network in two parts: the layers that windows share, and each window's own."""

    def __init__(self, model: Path) -> None:
        """Load the ONNX file `model` on one thread."""
        self._shared = _part(model, _FRAMES, _POOLED)
        self._own = _part(model, _POOLED, _RATINGS)

    def raw(self, samples: Samples, seconds: Sequence[int]) -> Map:
        """Return the outputs (windows, 3), before the published polynomials.

        `samples` (T,) at 16 kHz holds a whole window of 9.01 s from each of the `seconds`, which
        rise.
        """
        starts = [_HOPS_PER_SECOND * second for second in seconds]
        frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP]
        pooled = self._pooled(frames[: starts[-1] + _WINDOW])
        windows = self._windows(frames, pooled, starts) if len(starts) > 1 else [pooled]
        return np.concatenate([self._own.run(None, {_POOLED: window})[0] for window in windows])

    def _pooled(self, frames: Map) -> Map:
        """Return the pooled map (1, 32, F / 2, 80) of frames (F, 320), in pieces for memory."""
        pieces = []
        for start in range(0, len(frames), _WINDOW):
            before = min(start, _REACH)
            piece = frames[None, start - before : start + _WINDOW + _REACH]
            pieces.append(self._run(piece)[:, :, before // 2 : (before + _WINDOW) // 2])
        return np.concatenate(pieces, axis=2)

    def _windows(self, frames: Map, pooled: Map, starts: list[int]) -> list[Map]:
        """Return each window's own map: the clip's, but for the edges that its padding changes."""
        ends, edge = [start + _WINDOW for start in starts], _REACH // 2
        first = self._run(np.stack([frames[start : start + 2 * _REACH] for start in starts]))
        last = self._run(np.stack([frames[end - 2 * _REACH : end] for end in ends]))
        windows = [pooled[:, :, a // 2 : b // 2].copy() for a, b in zip(starts, ends, strict=True)]
        for i, window in enumerate(windows):
            window[0, :, :edge] = first[i, :, :edge]
            window[0, :, -edge:] = last[i, :, -edge:]
        return windows

    def _run(self, frames: Map) -> Map:
        pooled = self._shared.run(None, {_FRAMES: np.ascontiguousarray(frames)})[0]
        return np.asarray(pooled, dtype=np.float32)


def one_thread_session(model: bytes) -> Any:
    """Return an ONNX session that keeps to one thread, whatever the machine has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _part(model: Path, source: str, sink: str) -> Any:
    """Return the network from tensor `source` to tensor `sink`, for any number of frames."""
    import onnx
    from onnx.utils import Extractor

    part = Extractor(onnx.shape_inference.infer_shapes(onnx.load(model))).extract_model(
        [source], [sink]
    )
    for value in (*part.graph.input, *part.graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_value in (_WINDOW, _WINDOW // 2):
                size.dim_param = "frames"
    del part.graph.value_info[:]
    return one_thread_session(part.SerializeToString())
