"""Mimi (Défossez et al. 2024, arXiv 2410.00037, section 3.3) through transformers.

z is what follows the encoder's transformer and downsampling; the decoder upsamples a latent and
runs its own transformer. The semantic codebook quantizes z itself, and so do, beside it, the
residual acoustic ones: each side projects z, quantizes, and projects back without a bias. The two
sides' sum is the decoder's input, so the sum over all effective codebooks is exact; but it is no
ever finer approximation of z, since both sides approximate the same z: it is near to what the
decoder was trained on, not to z.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.codecs.pretrained import load_pretrained
from harness.codecs.rows import RowCodec
from harness.records import CodecFacts

from transformers import MimiConfig, MimiModel  # isort: skip  # after torchaudio's stand-in


class Mimi(RowCodec):
    """transformers' model; it pads audio to whole frames itself, layer by layer."""

    def __init__(self, facts: CodecFacts, model: MimiModel) -> None:
        super().__init__(facts)
        self.model = model
        self.sides: tuple[Any, Any] = (
            model.quantizer.semantic_residual_vector_quantizer,
            model.quantizer.acoustic_residual_vector_quantizer,
        )

    def encode_row(self, wav: Tensor) -> Tensor:
        """See `RowCodec.encode_row`."""
        z: Tensor = self.model.encoder(wav[None, None]).latents
        return z[0].T

    def quantize_row(self, z: Tensor) -> Tensor:
        """See `RowCodec.quantize_row`; the semantic codebooks are never fewer than all."""
        count = max(self.facts.codebooks, self.facts.parallel_codebooks)
        codes: Tensor = self.model.quantizer.encode(z.T[None].contiguous(), count)
        return codes[: self.facts.codebooks, 0]

    def decode_row(self, latent: Tensor) -> Tensor:
        """See `RowCodec.decode_row`."""
        wav: Tensor = self.model.decoder(latent.T[None].contiguous()).audio_values
        return wav[0, 0]

    def codebooks(self) -> Sequence[Tensor]:
        """See `Codec.codebooks`."""
        books = [project(side, layer) for side in self.sides for layer in side.layers]
        return books[: self.facts.codebooks]

    def embed(self, codes: Tensor, first: int | None = None) -> Tensor:
        """See `Codec.embed`; the model's own sum, which the decoder's input is bit for bit."""
        kept = codes[:, :first]
        self.check_codes(kept)
        latent: Tensor = self.model.quantizer.decode(kept)
        return latent.transpose(1, 2)


def project(side: Any, layer: Any) -> Tensor:
    """Return one codebook (K, D), its entries projected to the decoder's input."""
    book: Tensor = layer.codebook.embed
    if side.output_proj is None:
        return book
    projected: Tensor = side.output_proj(book.T[None])
    return projected[0].T.contiguous()


def load_mimi(facts: CodecFacts, folder: Path) -> Mimi:
    """Load a folder. Raises UserError if its weights are not those of its config.json."""
    model = load_pretrained(MimiModel, MimiConfig, folder, attn_implementation="sdpa")
    codec = Mimi(facts, model)
    for side in codec.sides:
        for layer in side.layers:
            layer.codebook.embed  # noqa: B018  # kept by the model: never made in inference mode
    return codec
