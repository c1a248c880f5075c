"""CTC recognisers through transformers, read greedily.

Source: Graves et al., "Connectionist temporal classification", ICML 2006; e.g. Baevski et al.,
wav2vec 2.0, NeurIPS 2020. Utterances are read one by one: many of these models normalise over the
whole input, so that padding in a batch would change what is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metrics.base import MetricUnavailable, Samples
from metrics.given_weights import check_content
from metrics.packages import import_pinned
from metrics.stand_in import without_torchaudio

_PINS = {"transformers": "5.23.0"}
_HINT = "pip install 'resynth-bench[codecs]'"
_RATE = 16_000
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# What a folder may hold besides; whatever is there determines the readings.
_SETTINGS = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
)


class Ctc:
    """A CTC model on the CPU; `model` is a folder, or a hub's name in the local cache.

    Its `sha256` is that of its settings and weights joined, in the order above.
    """

    packages = (*_PINS, "torch", "safetensors")

    def __init__(self, model: str, sha256: str, language: str) -> None:
        """Load the model, never from the network; raises MetricUnavailable if it is absent."""
        without_torchaudio()
        package = import_pinned("transformers", _PINS, _HINT)
        folder = _folder(model)
        check_content(_files(folder), sha256)
        options = {"local_files_only": True}
        try:
            self._processor: Any = package.AutoProcessor.from_pretrained(folder, **options)
            network, report = package.AutoModelForCTC.from_pretrained(
                folder, output_loading_info=True, **options
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise MetricUnavailable(f"{model} cannot be loaded: {error}") from error
        if missing := sorted(report["missing_keys"]):
            raise MetricUnavailable(f"{model} lacks {len(missing)} weights, first {missing[0]}")
        self._network: Any = network.float().eval()

    @staticmethod
    def identity(model: str, sha256: str) -> str:
        """Return the model, the start of its files' SHA-256, and the package."""
        name = Path(model).name if Path(model).expanduser().is_absolute() else model
        pin = f"transformers {_PINS['transformers']}"
        return f"{name} (files {sha256[:16] or 'unnamed'}), {pin}, float32, greedy"

    def read(self, batch: Sequence[Samples]) -> list[str]:
        """Return the texts in utterances (T,) at 16 kHz."""
        return [self._read(samples) for samples in batch]

    def _read(self, samples: Samples) -> str:
        import torch

        inputs = self._processor(samples, sampling_rate=_RATE, return_tensors="pt")
        with torch.inference_mode():
            best = self._network(**inputs).logits.argmax(dim=-1)
        return str(self._processor.batch_decode(best)[0]).strip()


def _folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    hub = import_pinned("huggingface_hub", {}, _HINT)
    try:
        found = hub.try_to_load_from_cache(model, _SETTINGS[0])
    except hub.errors.HFValidationError:
        found = None  # a path: no folder lies there
    if not isinstance(found, str):
        raise MetricUnavailable(
            f"{model} is neither a folder nor in the hub's local cache: hf download {model}"
        )
    return Path(found).parent


def _files(folder: Path) -> list[Path]:
    weights = [folder / name for name in _WEIGHTS if (folder / name).is_file()]
    if not weights:
        raise MetricUnavailable(f"{folder} holds neither {' nor '.join(_WEIGHTS)}")
    settings = [folder / name for name in _SETTINGS if (folder / name).is_file()]
    return [*settings, weights[0]]
