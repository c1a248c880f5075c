"""EnCodec 24 kHz (Défossez et al. 2022, arXiv 2210.13438) through the official package."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from harness.codecs.base import Codec, Encoded
from harness.codecs.official import EncodecModel, codebook_vectors
from harness.errors import UserError
from harness.records import CodecFacts


class Encodec24(Codec):
    """The official model; utterances of unequal length are run one by one, unpadded."""

    def __init__(self, facts: CodecFacts, model: EncodecModel) -> None:
        super().__init__(facts)
        self.model = model

    def encode_checked(self, wav: Tensor, lengths: Tensor | None) -> Encoded:
        """See `Codec.encode`."""
        counts = self.frame_counts(wav, lengths)
        ends = [wav.shape[1]] * len(wav) if lengths is None else lengths.tolist()
        rows = [
            self.model.encoder(row[None, None, :end])[0].T
            for row, end in zip(wav, ends, strict=True)
        ]
        z = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return Encoded(z, self.quantize(z), counts)

    def quantize(self, z: Tensor) -> Tensor:
        """See `Codec.quantize`."""
        quantizer = self.model.quantizer.vq
        codes: Tensor = quantizer.encode(z.transpose(1, 2), n_q=self.facts.codebooks)
        return codes.transpose(0, 1)

    def decode(self, latent: Tensor, frames: Tensor | None = None) -> Tensor:
        """See `Codec.decode`."""
        counts = [latent.shape[1]] * len(latent) if frames is None else frames.tolist()
        rows = [
            self.model.decoder(row[None, :count].transpose(1, 2))[0, 0]
            for row, count in zip(latent, counts, strict=True)
        ]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def codebooks(self) -> Sequence[Tensor]:
        """See `Codec.codebooks`."""
        return codebook_vectors(self.model.quantizer.vq, self.facts.codebooks)


def load_encodec(facts: CodecFacts, path: Path) -> Encodec24:
    """Load official weights from a file; no pickled code runs. Raises UserError if they differ."""
    model = EncodecModel.encodec_model_24khz(pretrained=False)
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, AttributeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(
            f"{path}: does not hold EnCodec 24 kHz weights ({str(error).splitlines()[0]}); "
            "download the official file again"
        ) from error
    return Encodec24(facts, model)
