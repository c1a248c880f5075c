"""From one utterance of a corpus to its latents and codes."""

from __future__ import annotations

import torch

from harness.audio import resample
from harness.codecs.base import Codec, Encoded
from harness.data.corpus import Corpus, Utterance
from harness.data.read import read_utterance
from harness.errors import UserError


def encode_utterance(codec: Codec, corpus: Corpus, row: Utterance) -> Encoded:
    """Encode one utterance (B = 1), resampled to the codec's rate.

    Raises UserError if its audio is refused, is shorter than one frame, or its z is not finite.
    """
    samples = read_utterance(corpus, row)
    wav = torch.from_numpy(resample(samples, corpus.sample_rate, codec.facts.sample_rate))
    if len(wav) < codec.hop:
        raise UserError(
            f"{place(corpus, row)}: has {len(wav)} samples at {codec.facts.sample_rate} Hz, less "
            f"than one frame of codec '{codec.facts.name}' ({codec.hop}); leave it out"
        )
    with torch.inference_mode():
        encoded = codec.encode(wav[None])
    if not torch.isfinite(encoded.z).all():
        raise UserError(
            f"{place(corpus, row)}: codec '{codec.facts.name}' makes NaN or infinite latents of "
            "it; leave it out or check the codec's weights"
        )
    return encoded


def place(corpus: Corpus, row: Utterance) -> str:
    """Return how error messages name an utterance."""
    return f"corpus '{corpus.name}', utterance '{row.id}' ({row.path})"
