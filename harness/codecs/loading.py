"""Load a codec's weights, checked against the geometry the plan was made for."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.codecs.base import Codec, Encoded, frame_mask
from harness.codecs.catalog import codec_facts, read_header, weights_path
from harness.codecs.official import codebook_vectors
from harness.codecs.tiny import TinyModel, TinyShape
from harness.config import CodecConfig
from harness.errors import UserError
from harness.records import CodecFacts


class TinyCodec(Codec):
    """The tiny codec behind the contract."""

    def __init__(self, facts: CodecFacts, model: TinyModel) -> None:
        super().__init__(facts)
        self.model = model

    def encode(self, wav: Tensor, lengths: Tensor | None = None) -> Encoded:
        """See `Codec.encode`; samples past an utterance's end are zeroed here."""
        frames = self.frame_counts(wav, lengths)
        if lengths is not None:
            wav = wav * (torch.arange(wav.shape[1])[None] < lengths[:, None])
        mask = frame_mask(frames, self.model.frames(wav.shape[1])).unsqueeze(-1)
        z = self.model.encode(wav, mask)
        return Encoded(z, self.quantize(z), frames)

    def quantize(self, z: Tensor) -> Tensor:
        """See `Codec.quantize`."""
        return self.model.quantizer.encode(z.transpose(1, 2)).transpose(0, 1)

    def decode(self, latent: Tensor, frames: Tensor | None = None) -> Tensor:
        """See `Codec.decode`."""
        counts = torch.full((latent.shape[0],), latent.shape[1]) if frames is None else frames
        return self.model.decode(latent, frame_mask(counts, latent.shape[1]).unsqueeze(-1))

    def codebooks(self) -> Tensor:
        """See `Codec.codebooks`."""
        return codebook_vectors(self.model.quantizer, self.facts.codebooks)


def load_codec(config: CodecConfig) -> Codec:
    """Load a codec, frozen and in evaluation mode. Raises UserError as `codec_facts` does."""
    facts, path = codec_facts(config), weights_path(config)
    if config.name == "encodec":
        from harness.codecs.encodec24 import load_encodec

        codec: Codec = load_encodec(facts, path)
    else:
        codec = load_tiny(facts, path)
    return codec.eval().requires_grad_(False)


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
