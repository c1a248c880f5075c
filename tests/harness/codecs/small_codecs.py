"""Small codecs of each family: real strides and layers, few channels, seeded random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from harness.codecs.official import EncodecModel  # before transformers: see metrics.stand_in

from transformers import DacConfig, DacModel, MimiConfig, MimiModel  # isort: skip

DAC: dict[str, dict[str, Any]] = {
    "dac-16khz": {"sampling_rate": 16_000, "downsampling_ratios": [2, 4, 5, 8], "n_codebooks": 4},
    "dac-24khz": {"sampling_rate": 24_000, "downsampling_ratios": [2, 4, 5, 8], "n_codebooks": 6},
    "dac-44khz": {"sampling_rate": 44_100, "downsampling_ratios": [2, 4, 8, 8], "n_codebooks": 3},
}


def dac_model(name: str, **changes: Any) -> DacModel:
    """A DAC of 64 dimensions; its projections have biases, as trained ones do."""
    torch.manual_seed(0)
    small = {"encoder_hidden_size": 4, "decoder_hidden_size": 32, "codebook_size": 16}
    model = DacModel(DacConfig(**{**small, **DAC[name], **changes})).eval()
    for layer in model.quantizer.quantizers:
        layer.out_proj.bias.data.normal_(std=0.01)
    return model


def mimi_model(**changes: Any) -> MimiModel:
    """A Mimi of 32 dimensions with one semantic and four acoustic codebooks of 16 entries."""
    torch.manual_seed(0)
    small = {
        "hidden_size": 32,
        "upsample_groups": 32,
        "num_filters": 2,
        "num_quantizers": 5,
        "codebook_size": 16,
        "codebook_dim": 8,
        "vector_quantization_hidden_dimension": 8,
        "num_hidden_layers": 2,
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "sliding_window": 5,
    }
    model = MimiModel(MimiConfig(**{**small, **changes})).eval()
    quantizer = model.quantizer
    for side in (
        quantizer.semantic_residual_vector_quantizer,
        quantizer.acoustic_residual_vector_quantizer,
    ):
        for layer in side.layers:
            layer.codebook.embed_sum.normal_(std=0.5)
            layer.codebook.cluster_usage.uniform_(0.5, 2.0)
    return model


def encodec_model(bandwidth: float = 6.0) -> EncodecModel:
    """The official EnCodec 24 kHz at its full size."""
    torch.manual_seed(0)
    model = EncodecModel.encodec_model_24khz(pretrained=False).eval()
    model.set_target_bandwidth(bandwidth)
    for layer in model.quantizer.vq.layers:
        layer._codebook.embed.normal_()
    return model


def save(name: str, place: Path, **changes: Any) -> Path:
    """Write a codec in its published format and return the path."""
    if name == "encodec":
        torch.save(encodec_model().state_dict(), place / "seeded.th")
        return place / "seeded.th"
    model = mimi_model(**changes) if name == "mimi" else dac_model(name, **changes)
    model.save_pretrained(place / name)
    return place / name
