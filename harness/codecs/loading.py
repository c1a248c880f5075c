"""Load a codec with the weights, codebooks and geometry its configuration names."""

from __future__ import annotations

from harness.codecs.base import Codec
from harness.codecs.catalog import codec_facts, family_of
from harness.codecs.quantizers import quantizer_path
from harness.codecs.requantized import load_requantized
from harness.config import CodecConfig


def load_codec(config: CodecConfig) -> Codec:
    """Load a codec, frozen and in evaluation mode. Raises UserError as `codec_facts` does."""
    facts = codec_facts(config)
    if config.quantizer is None:
        codec = family_of(config).load(config, facts)
    else:
        base = load_codec(config.model_copy(update={"quantizer": None, "codebooks": None}))
        codec = load_requantized(facts, base, quantizer_path(config))
    return codec.eval().requires_grad_(False)
