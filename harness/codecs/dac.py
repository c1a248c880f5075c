"""DAC (Kumar et al. 2023, arXiv 2306.06546) through transformers.

Its codes are factorised (section 3.2): codebook k projects what is left of z to 8 dimensions, takes
the entry nearest in *angle* there, and projects that entry back to D. So the effective codebooks
are the projected entries, each with the projection's bias: they add up to the decoder's input as
EnCodec's do, but a code is not the effective entry nearest to the residual in D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

from harness.codecs.pretrained import load_pretrained
from harness.codecs.rows import RowCodec
from harness.records import CodecFacts

from transformers import DacConfig, DacModel  # isort: skip  # after torchaudio's stand-in


class Dac(RowCodec):
    """transformers' model. Audio is padded with zeros to whole frames, as its own processor does.

    At an odd stride its decoder loses samples; then one more frame than ceil(T / hop) may be
    needed for the decoded audio to cover the last sample.
    """

    def __init__(self, facts: CodecFacts, model: DacModel) -> None:
        super().__init__(facts)
        self.model = model
        self.lost = self.hop - decoded_samples(1, model.config.upsampling_ratios)

    def frame_counts(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        """Return frames per utterance: the fewest that decode to all of its samples."""
        samples = torch.full((len(wav),), wav.shape[1]) if lengths is None else lengths
        return torch.div(samples + self.lost + self.hop - 1, self.hop, rounding_mode="floor")

    def encode_row(self, wav: Tensor) -> Tensor:
        """See `RowCodec.encode_row`."""
        frames = int(self.frame_counts(wav[None], None))
        padded = pad(wav, (0, frames * self.hop - len(wav)))
        z: Tensor = self.model.encoder(padded[None, None])
        return z[0].T

    def quantize_row(self, z: Tensor) -> Tensor:
        """See `RowCodec.quantize_row`."""
        codes: Tensor = self.model.quantizer(z.T[None].contiguous(), self.facts.codebooks)[1]
        return codes[0]

    def decode_row(self, latent: Tensor) -> Tensor:
        """See `RowCodec.decode_row`."""
        wav: Tensor = self.model.decoder(latent.T[None].contiguous())
        return wav[0, 0]

    def codebooks(self) -> Sequence[Tensor]:
        """See `Codec.codebooks`."""
        layers = list(self.model.quantizer.quantizers)[: self.facts.codebooks]
        return [layer.out_proj(layer.codebook.weight.T[None])[0].T.contiguous() for layer in layers]

    def embed(self, codes: Tensor, first: int | None = None) -> Tensor:
        """See `Codec.embed`; the model's own sum, which the decoder's input is bit for bit."""
        kept = codes[:, :first]
        self.check_codes(kept)
        latent: Tensor = self.model.quantizer.from_codes(kept)[0]
        return latent.transpose(1, 2)


def decoded_samples(frames: int, strides: Sequence[int]) -> int:
    """Return how many samples the decoder makes: each odd stride costs one at its own rate."""
    for stride in strides:
        frames = frames * stride - stride % 2
    return frames


def load_dac(facts: CodecFacts, folder: Path) -> Dac:
    """Load a folder. Raises UserError if its weights are not those of its config.json."""
    return Dac(facts, load_pretrained(DacModel, DacConfig, folder))
