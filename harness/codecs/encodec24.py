"""EnCodec 24 kHz (Défossez et al. 2022, arXiv 2210.13438) through the official package."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from harness.codecs.official import EncodecModel, codebook_vectors
from harness.codecs.rows import RowCodec
from harness.codecs.weights import first_line
from harness.errors import UserError
from harness.records import CodecFacts

# What torch.load and load_state_dict raise on files that are no whole weights of this model.
BROKEN = (
    RuntimeError,
    AttributeError,
    TypeError,
    ValueError,
    LookupError,
    EOFError,
    struct.error,
    pickle.UnpicklingError,
)


class Encodec24(RowCodec):
    """The official model; it pads audio to whole frames itself, layer by layer."""

    def __init__(self, facts: CodecFacts, model: EncodecModel) -> None:
        super().__init__(facts)
        self.model = model

    def encode_row(self, wav: Tensor) -> Tensor:
        """See `RowCodec.encode_row`."""
        z: Tensor = self.model.encoder(wav[None, None])
        return z[0].T

    def quantize_row(self, z: Tensor) -> Tensor:
        """See `RowCodec.quantize_row`."""
        quantizer = self.model.quantizer.vq
        codes: Tensor = quantizer.encode(z.T[None].contiguous(), n_q=self.facts.codebooks)
        return codes[:, 0]

    def decode_row(self, latent: Tensor) -> Tensor:
        """See `RowCodec.decode_row`."""
        wav: Tensor = self.model.decoder(latent.T[None].contiguous())
        return wav[0, 0]

    def codebooks(self) -> Sequence[Tensor]:
        """See `Codec.codebooks`."""
        return codebook_vectors(self.model.quantizer.vq, self.facts.codebooks)

    def embed(self, codes: Tensor, first: int | None = None) -> Tensor:
        """See `Codec.embed`; the model's own sum, which the decoder's input is bit for bit."""
        kept = codes[:, :first]
        self.check_codes(kept)
        latent: Tensor = self.model.quantizer.decode(kept.transpose(0, 1))
        return latent.transpose(1, 2)


def load_encodec(facts: CodecFacts, path: Path) -> Encodec24:
    """Load official weights from a file; no pickled code runs. Raises UserError if they differ."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model = EncodecModel.encodec_model_24khz(pretrained=False)
        model.load_state_dict(state)
    except BROKEN as error:
        raise UserError(
            f"{path}: does not hold EnCodec 24 kHz weights ({first_line(error)}); "
            "download the official file again"
        ) from error
    return Encodec24(facts, model)
