"""Codecs kept as transformers keeps them: a folder with config.json and model.safetensors.

No torch, and no transformers: facts come from config.json, and the hub's cache is read as it lies
on disk. Only safetensors are read; a pickle could run code.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError

from harness.codecs.family import Family, limit_codebooks, refuse_options
from harness.codecs.weights import check_sha256, first_line, given_weights, weights_sha256
from harness.config import CodecConfig, explain
from harness.data.download import Report
from harness.errors import UserError
from harness.records import CodecFacts

if TYPE_CHECKING:
    from harness.codecs.base import Codec

SETTINGS, WEIGHTS = "config.json", "model.safetensors"
NO_MATTER = ("architectures", "dtype", "torch_dtype", "transformers_version", "_name_or_path")
Settings = TypeVar("Settings", bound=BaseModel)


class HubFamily(Family):
    """Codecs of one transformers architecture; `repositories` says where each one is published."""

    repositories: ClassVar[Mapping[str, str]]
    model_type: ClassVar[str]

    def weights(self, config: CodecConfig) -> Path:
        """See `Family.weights`; the default is the hub cache's snapshot, found offline."""
        advice = "give a folder with config.json and model.safetensors as codec.weights"
        default = snapshot(self.repositories[config.name])
        hint = f"run `resynth codec fetch {config.name}`, or {advice}"
        folder = given_weights(config, default, hint)
        for name in (SETTINGS, WEIGHTS):
            if not (folder / name).is_file():
                pickles = [p.name for p in folder.glob("*") if p.suffix in (".bin", ".pt", ".pth")]
                why = f", and {pickles[0]}, a pickle, could run code" if pickles else ""
                raise UserError(f"codec '{config.name}': {folder} holds no {name}{why}; {advice}")
        return folder

    def facts(self, config: CodecConfig) -> CodecFacts:
        """See `Family.facts`. `sha256` is of the weights and of what config.json sets."""
        refuse_options(config, "bandwidth")
        folder = self.weights(config)
        settings = read_settings(folder, self.model_type)
        facts = self.describe(config.name, folder, verified_identity(config, folder, settings))
        return limit_codebooks(config, facts)

    @abstractmethod
    def describe(self, name: str, folder: Path, sha256: str) -> CodecFacts:
        """Return all facts of the codec in a folder. Raises UserError if it is not `name`."""

    def load(self, config: CodecConfig, facts: CodecFacts) -> Codec:
        """See `Family.load`. Raises UserError without the extra `codecs`."""
        try:
            return self.load_folder(facts, self.weights(config))
        except ModuleNotFoundError as error:
            raise lacking(config, error) from error

    @abstractmethod
    def load_folder(self, facts: CodecFacts, folder: Path) -> Codec:
        """Load the model. Raises UserError if the folder's weights and geometry differ."""

    def fetch(self, config: CodecConfig, report: Report) -> Path:
        """Download the published files into the hub's cache, verified, and return their folder."""
        repository = self.repositories[config.name]
        try:
            from huggingface_hub import hf_hub_download
        except ModuleNotFoundError as error:
            raise lacking(config, error) from error
        for name in (SETTINGS, WEIGHTS):
            try:
                path = Path(hf_hub_download(repository, name, cache_dir=cache()))
            except Exception as error:  # the library's errors have no common base
                raise UserError(
                    f"{repository}: {name} cannot be downloaded ({first_line(error)}); check the "
                    "network, or give a folder that holds it as codec.weights"
                ) from error
            report(path.stat().st_size, path.stat().st_size)
        check_sha256(path, weights_sha256(path), published_sha256(path), "the published weights'")
        return path.parent


def lacking(config: CodecConfig, error: ModuleNotFoundError) -> UserError:
    """Return what to tell a user without the extra."""
    return UserError(
        f"codec '{config.name}': needs the package {error.name}; install resynth-bench[codecs]"
    )


def cache() -> Path:
    """Return the hub's cache: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else the user's own."""
    caches = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    home = Path(os.environ.get("HF_HOME", caches))
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def snapshot(repository: str) -> Path:
    """Return where the hub's cache holds, or would hold, a repository's main revision."""
    folder = cache() / f"models--{repository.replace('/', '--')}"
    main = folder / "refs" / "main"
    return folder / "snapshots" / (main.read_text().strip() if main.is_file() else "main")


def published_sha256(path: Path) -> str | None:
    """Return the hash that the hub's cache names a weights file by; None outside a cache."""
    name = path.resolve().name
    return name if path.is_symlink() and re.fullmatch("[0-9a-f]{64}", name) else None


def verified_identity(config: CodecConfig, folder: Path, settings: Mapping[str, Any]) -> str:
    """Return a hash of the weights and the settings that can change a result.

    `codec.sha256` may be this one, or the weights file's own, as the hub shows it. Raises
    UserError if it is neither, or the file is not what its cache says.
    """
    path = folder / WEIGHTS
    own = weights_sha256(path)
    check_sha256(path, own, published_sha256(path), "the published weights'")
    kept = {key: value for key, value in settings.items() if key not in NO_MATTER}
    text = own + json.dumps(kept, sort_keys=True)
    identity = hashlib.sha256(text.encode()).hexdigest()
    if config.sha256 is None or not identity.startswith(config.sha256.lower()):
        check_sha256(path, own, config.sha256, "codec.sha256")
    return identity


def read_settings(folder: Path, model_type: str) -> dict[str, Any]:
    """Return config.json. Raises UserError if it is damaged or of another architecture."""
    path = folder / SETTINGS
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); get it again") from error
    found = settings.get("model_type") if isinstance(settings, dict) else None
    if not isinstance(settings, dict) or found != model_type:
        raise UserError(
            f"{path}: is of model type {found!r}, not '{model_type}'; name the codec it is of"
        )
    return settings


def parse_settings(folder: Path, model_type: str, kind: type[Settings]) -> Settings:
    """Return the geometry in config.json. Raises UserError, naming the key, if it is not sound."""
    try:
        return kind.model_validate(read_settings(folder, model_type))
    except ValidationError as error:
        raise UserError(f"{folder / SETTINGS}: {explain(error, kind)}") from error
