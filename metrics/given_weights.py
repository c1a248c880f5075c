"""Weights that are not installed with the project: found on this machine, never downloaded.

They are given by path, or lie in the local cache of the Hugging Face hub. Either way their content
is checked, since `Facts.version` names it before anything is loaded.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from metrics.base import MetricUnavailable
from metrics.packages import import_pinned

Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def find_files(
    given: Sequence[Path], repository: str, revision: str, names: Sequence[str]
) -> list[Path]:
    """Return the files `given`, or, if there are none, the hub's `names` in the local cache.

    Raises:
        MetricUnavailable: one is absent; says where to get it.
    """
    paths: list[Path | None] = [*given] or [_cached(repository, revision, name) for name in names]
    found = [path for path in paths if path is not None and path.is_file()]
    if len(found) < len(names):
        absent = next(
            path or name for path, name in zip(paths, names, strict=True) if path not in found
        )
        raise MetricUnavailable(
            f"{absent} is not on this machine. Download it once with: hf download {repository} "
            f"{' '.join(names)} --revision {revision}; or say with the parameter 'weights' where "
            "it lies"
        )
    return found


def check_content(paths: Sequence[Path], sha256: str) -> None:
    """Check the SHA-256 of the files' concatenation (of one file: its own).

    Raises:
        MetricUnavailable: it differs from `sha256`; says what it is.
    """
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                total.update(piece)
    if total.hexdigest() != sha256:
        names = " + ".join(path.name for path in paths)
        raise MetricUnavailable(
            f"{names} in {paths[0].parent} has sha256 {total.hexdigest()}, not "
            f"{sha256 or 'given'}: if these weights are meant, give it as parameter 'sha256'"
        )


def load_state(path: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors of a PyTorch file, none of whose code is run; others may be in it.

    Raises:
        MetricUnavailable: a tensor that is `wanted` is absent or has another shape.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise MetricUnavailable(f"{path} is no file of weights alone: {error}") from error
    found = {n: t.shape for n, t in state.items()} if isinstance(state, dict) else {}
    faults = [name for name, tensor in wanted.items() if found.get(name) != tensor.shape]
    if faults:
        raise MetricUnavailable(
            f"{path} is another network's: {len(faults)} of {len(wanted)} weights are absent or "
            f"have another shape, first {faults[0]}"
        )
    return dict(state)


def _cached(repository: str, revision: str, name: str) -> Path | None:
    hub = import_pinned("huggingface_hub", {}, "pip install 'resynth-bench[codecs]'")
    found = hub.try_to_load_from_cache(repository, name, revision=revision)
    return Path(found) if isinstance(found, str) else None
