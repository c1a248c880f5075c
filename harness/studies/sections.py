"""How a study is read: a configuration of an ordinary run, with a section `study`."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from harness.config import Config, Strict, explain, read_layers
from harness.errors import UserError

S = TypeVar("S", bound=Strict)


def read_study(path: Path, kind: type[S], example: str) -> tuple[Config, S]:
    """Read the configuration and its section, each by its own model.

    Raises UserError for anything unexpected; `example` is a configuration to start from.
    """
    data = read_layers(path)
    section = data.pop("study", None)
    if section is None:
        raise UserError(f"{path}: has no section 'study'; start from configs/{example}.yaml")
    try:
        study = kind.model_validate(section)
    except ValidationError as error:
        raise UserError(f"{path}: study: {explain(error, kind)}") from error
    try:
        return Config.model_validate(data), study
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error)}") from error
