"""Load a transformers model from a folder: offline, from safetensors alone, all of it or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from harness.codecs.hub import WEIGHTS, read_settings
from harness.codecs.weights import first_line
from harness.errors import UserError
from metrics.stand_in import quiet, without_torchaudio

without_torchaudio()

from huggingface_hub.errors import StrictDataclassError  # noqa: E402
from transformers import PreTrainedConfig, PreTrainedModel  # noqa: E402

Model = TypeVar("Model", bound=PreTrainedModel)
OLDER = ("frame_rate", "rope_theta")  # settings that earlier versions wrote and this one reads


def load_pretrained(
    kind: type[Model], settings: type[PreTrainedConfig], folder: Path, **options: Any
) -> Model:
    """Return the model in float32, in evaluation mode.

    Raises UserError unless every weight it needs is there, in its shape, and no other.
    """
    path = folder / WEIGHTS
    try:
        # Copies, since sums can depend on how memory is aligned, which in a file is by chance.
        state = {name: tensor.clone() for name, tensor in load_file(path).items()}
        with quiet():
            model, report = kind.from_pretrained(
                None,
                config=model_settings(settings, folder),
                state_dict=dict(state),
                output_loading_info=True,
                dtype=torch.float32,
                **options,
            )
    except (
        SafetensorError,
        StrictDataclassError,
        RuntimeError,
        ValueError,
        TypeError,
        OSError,
    ) as error:
        raise UserError(misfit(path, first_line(error))) from error
    faults = sorted([*report["missing_keys"], *report["unexpected_keys"]])
    # Some architectures pass over surplus weights without a report.
    if faults or len(state) != len(model.state_dict()):
        first = f"first fault: '{faults[0]}'" if faults else f"{len(state)} tensors"
        raise UserError(misfit(path, first))
    loaded: Model = model.eval()
    return loaded


def misfit(path: Path, why: str) -> str:
    """Return what to tell a user whose weights are not those of their config.json."""
    return f"{path}: does not fit the config.json beside it ({why}); get both again"


def model_settings(kind: type[PreTrainedConfig], folder: Path) -> PreTrainedConfig:
    """Return the architecture's own settings of config.json; others could load foreign code."""
    found = read_settings(folder, kind.model_type)
    known = {*kind.__annotations__, *OLDER}
    settings: PreTrainedConfig = kind(**{k: v for k, v in found.items() if k in known})
    return settings
