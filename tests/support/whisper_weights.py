"""Whisper's weights from CTranslate2's form to openai-whisper's, to run both on the same ones.

The layout is CTranslate2's binary version 6 (its docs, "Model specification" and
`python/ctranslate2/specs/model_spec.py`): a header, then each variable by name, then aliases.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Variables = dict[str, NDArray[Any]]
VERSION = 6
_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)


def save_checkpoint(folder: Path, out: Path) -> Path:
    """Write the CTranslate2 Whisper of `folder` as a checkpoint that `whisper.load_model` reads."""
    import torch

    variables = read_variables(folder / "model.bin")
    weights = {
        name: torch.from_numpy(values.astype(np.float32))
        for name, values in _openai_names(variables)
    }
    torch.save({"dims": dimensions(variables), "model_state_dict": weights}, out)
    return out


def read_variables(path: Path) -> Variables:
    """Return the variables of a model.bin by name."""
    return _Reader(path.read_bytes()).variables()


def dimensions(variables: Variables) -> dict[str, int]:
    """Return openai-whisper's `ModelDimensions`, read off the weights' shapes."""
    audio = variables["encoder/position_encodings/encodings"].shape
    text = variables["decoder/position_encodings/encodings"].shape
    return {
        "n_mels": variables["encoder/conv1/weight"].shape[1],
        "n_audio_ctx": audio[0],
        "n_audio_state": audio[1],
        "n_audio_head": int(variables["encoder/num_heads"]),
        "n_audio_layer": _layers(variables, "encoder"),
        "n_vocab": variables["decoder/embeddings/weight"].shape[0],
        "n_text_ctx": text[0],
        "n_text_state": text[1],
        "n_text_head": int(variables["decoder/num_heads"]),
        "n_text_layer": _layers(variables, "decoder"),
    }


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def variables(self) -> Variables:
        version = self._number("I")
        if version != VERSION:
            raise ValueError(f"CTranslate2 binary version {version}, not {VERSION}")
        self._text()  # the name of the specification
        self._number("I")  # its revision
        return dict(self._variable() for _ in range(self._number("I")))

    def _variable(self) -> tuple[str, NDArray[Any]]:
        name = self._text()
        shape = [self._number("I") for _ in range(self._number("B"))]
        kind = np.dtype(_TYPES[self._number("B")])
        size, start = self._number("I"), self._at
        self._at += size
        return name, np.frombuffer(self._data, kind, size // kind.itemsize, start).reshape(shape)

    def _text(self) -> str:
        size, start = self._number("H"), self._at
        self._at += size
        return self._data[start : self._at].rstrip(b"\0").decode()

    def _number(self, kind: str) -> int:
        (value,) = struct.unpack_from(f"<{kind}", self._data, self._at)
        self._at += struct.calcsize(f"<{kind}")
        return int(value)


def _layers(variables: Variables, side: str) -> int:
    return len(
        {name.split("/")[1] for name in variables if name.startswith(f"{side}/layer_")}
        - {"layer_norm"}
    )


def _openai_names(variables: Variables) -> Iterator[tuple[str, NDArray[Any]]]:
    yield "encoder.positional_embedding", variables["encoder/position_encodings/encodings"]
    yield "decoder.positional_embedding", variables["decoder/position_encodings/encodings"]
    yield "decoder.token_embedding.weight", variables["decoder/embeddings/weight"]
    for conv in ("conv1", "conv2"):
        yield from _linear(variables, f"encoder/{conv}", f"encoder.{conv}")
    yield from _norm(variables, "encoder/layer_norm", "encoder.ln_post")
    yield from _norm(variables, "decoder/layer_norm", "decoder.ln")
    for side in ("encoder", "decoder"):
        for layer in range(_layers(variables, side)):
            yield from _block(variables, f"{side}/layer_{layer}", f"{side}.blocks.{layer}")


def _block(variables: Variables, ours: str, theirs: str) -> Iterator[tuple[str, NDArray[Any]]]:
    yield from _attention(variables, f"{ours}/self_attention", f"{theirs}.attn", [3, 1])
    if f"{ours}/attention/linear_0/weight" in variables:
        yield from _attention(variables, f"{ours}/attention", f"{theirs}.cross_attn", [1, 2, 1])
    yield from _norm(variables, f"{ours}/ffn/layer_norm", f"{theirs}.mlp_ln")
    yield from _linear(variables, f"{ours}/ffn/linear_0", f"{theirs}.mlp.0")
    yield from _linear(variables, f"{ours}/ffn/linear_1", f"{theirs}.mlp.2")


def _attention(
    variables: Variables, ours: str, theirs: str, fused: list[int]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Split CTranslate2's fused projections: query, key and value in one, or key and value."""
    yield from _norm(variables, f"{ours}/layer_norm", f"{theirs}_ln")
    names = iter(("query", "key", "value", "out"))
    for index, parts in enumerate(fused):
        weights = np.split(variables[f"{ours}/linear_{index}/weight"], parts)
        biases = np.split(variables[f"{ours}/linear_{index}/bias"], parts)
        for weight, bias in zip(weights, biases, strict=True):
            name = f"{theirs}.{next(names)}"
            yield f"{name}.weight", weight
            if not name.endswith("key"):  # Whisper's keys have no bias; the fused one is zero
                yield f"{name}.bias", bias


def _linear(variables: Variables, ours: str, theirs: str) -> Iterator[tuple[str, NDArray[Any]]]:
    for kind in ("weight", "bias"):
        yield f"{theirs}.{kind}", variables[f"{ours}/{kind}"]


def _norm(variables: Variables, ours: str, theirs: str) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{theirs}.weight", variables[f"{ours}/gamma"]
    yield f"{theirs}.bias", variables[f"{ours}/beta"]
