"""The tiny codecs behind the contract, and their weights on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.codecs.base import Codec, Encoded, frame_mask
from harness.codecs.families.tiny import read_header
from harness.codecs.official import codebook_vectors
from harness.codecs.tiny import TinyModel, TinyShape
from harness.errors import UserError
from harness.records import CodecFacts


class TinyCodec(Codec):
    """The tiny codec behind the contract."""

    def __init__(self, facts: CodecFacts, model: TinyModel) -> None:
        super().__init__(facts)
        self.model = model

    def encode_checked(self, wav: Tensor, lengths: Tensor | None) -> Encoded:
        """See `Codec.encode`; samples past an utterance's end are zeroed here."""
        frames = self.frame_counts(wav, lengths)
        if lengths is not None:
            wav = wav * (torch.arange(wav.shape[1])[None] < lengths[:, None])
        mask = frame_mask(frames, self.model.frames(wav.shape[1])).unsqueeze(-1)
        z = self.model.encode(wav, mask)
        return Encoded(z, self.quantize(z), frames)

    def quantize(self, z: Tensor) -> Tensor:
        """See `Codec.quantize`."""
        codes = self.model.quantizer.encode(z.transpose(1, 2), n_q=self.facts.codebooks)
        return codes.transpose(0, 1)

    def decode(self, latent: Tensor, frames: Tensor | None = None) -> Tensor:
        """See `Codec.decode`."""
        counts = torch.full((latent.shape[0],), latent.shape[1]) if frames is None else frames
        return self.model.decode(latent, frame_mask(counts, latent.shape[1]).unsqueeze(-1))

    def codebooks(self) -> Sequence[Tensor]:
        """See `Codec.codebooks`."""
        return codebook_vectors(self.model.quantizer, self.facts.codebooks)


def load_tiny(facts: CodecFacts, path: Path) -> TinyCodec:
    """Load the tiny codec's float16 weights into float32."""
    model = TinyModel(TinyShape(**json.loads(read_header(path)["shape"])))
    try:
        state = {key: value.float() for key, value in load_file(path).items()}
        missing, unexpected = model.load_state_dict(state, strict=False)
    except (SafetensorError, RuntimeError) as error:
        raise UserError(
            f"{path}: does not fit the geometry it declares ({str(error).splitlines()[0]})"
        ) from error
    needed = [key for key in missing if not is_training_state(key)]
    if needed or unexpected:
        raise UserError(
            f"{path}: does not hold the weights of a tiny codec (first fault: "
            f"'{(needed + unexpected)[0]}'); train one with `resynth codec train`"
        )
    return TinyCodec(facts, model)


def is_training_state(key: str) -> bool:
    """Say whether a tensor serves only the quantizer's moving averages."""
    return key.endswith(("embed_avg", "cluster_size", "inited"))


def save_tiny(model: TinyModel, path: Path, record: dict[str, str]) -> None:
    """Write weights as float16 with the training record in the header."""
    state = {
        key: value.half().contiguous()
        for key, value in model.state_dict().items()
        if not is_training_state(key)
    }
    shape = {"codec": "tiny", "shape": json.dumps(asdict(model.shape))}
    save_file(state, path, {**shape, **record})
