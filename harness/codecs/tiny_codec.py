"""The tiny codecs behind the contract, and their weights on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from harness.codecs.base import Codec, Encoded, frame_mask
from harness.codecs.families.tiny import read_header, taught_by
from harness.codecs.official import codebook_vectors
from harness.codecs.packed import pack_state, unpack_state
from harness.codecs.tiny import TinyModel
from harness.codecs.weights import first_line
from harness.errors import UserError
from harness.latents.files import file_sha256
from harness.records import CodecFacts
from harness.store import atomic_write


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
    """Load a tiny codec into float32. Raises UserError if the file is not a whole one."""
    shape = read_header(path).shape
    try:
        model = TinyModel(shape)
        missing, unexpected = model.load_state_dict(read_state(path), strict=False)
    except (SafetensorError, RuntimeError, LookupError, ValueError) as error:
        raise UserError(
            f"{path}: does not fit the geometry it declares ({first_line(error)})"
        ) from error
    needed = [key for key in missing if not is_training_state(key)]
    if needed or unexpected:
        raise UserError(
            f"{path}: does not hold the weights of a tiny codec (first fault: "
            f"'{(needed + unexpected)[0]}'); train one with `resynth codec train`"
        )
    quantizer: Any = model.quantizer
    for layer in quantizer.layers:
        layer._codebook.inited.fill_(True)  # else its first training batch would start it anew
    return TinyCodec(facts, model)


def read_state(path: Path) -> dict[str, Tensor]:
    """Return a checkpoint's tensors; a file of a decoder alone gets the rest from its `tiny`."""
    encoder = taught_by(path)
    if encoder is None:
        return {key: value.float() for key, value in load_file(path).items()}
    rest = {k: v for k, v in read_state(encoder).items() if not k.startswith("decoder.")}
    return rest | unpack_state(load_file(path))


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
    write(model, path, state, record)


def save_decoder(model: TinyModel, path: Path, record: dict[str, str], encoder: Path) -> None:
    """Write the decoder alone, at 6 bits; encoder and codebooks are those of the file `encoder`."""
    state = {k: v for k, v in model.state_dict().items() if k.startswith("decoder.")}
    digest = file_sha256(encoder)
    write(model, path, pack_state(state), {"encoder_sha256": digest, **record})


def write(model: TinyModel, path: Path, state: dict[str, Tensor], record: dict[str, str]) -> None:
    """Write a checkpoint by rename: there is a whole one or none."""
    shape = {"codec": "tiny", "shape": model.shape.model_dump_json()}
    atomic_write(path, save(state, {**shape, **record}))
