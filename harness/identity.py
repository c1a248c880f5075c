"""Identity: content hashes of everything that determines a result.

Source code counts in normalised form: comments, docstrings and formatting do not change an id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness.data.corpus import Utterance
from methods.sources import normalised_source

HARNESS = Path(__file__).parent
LATENT_SOURCES = [
    HARNESS / "audio.py",
    *(HARNESS / "latents" / f"{name}.py" for name in ("arrays", "encode", "shard", "write")),
]
TRAINING_SOURCES = [
    *LATENT_SOURCES,
    HARNESS / "latents" / "read.py",
    HARNESS / "space.py",
    HARNESS / "flops.py",
    *(
        HARNESS / "training" / f"{name}.py"
        for name in ("crops", "batches", "losses", "optimise", "ranks", "loop")
    ),
]
SYNTHESIS_SOURCES = [
    HARNESS / name for name in ("synthesize.py", "flops.py", "space.py", "audio.py")
]


def digest(content: Any) -> str:
    """Return a 16-digit id of plain JSON content, independent of key order."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def source_digest(paths: Iterable[Path]) -> str:
    """Return an id of source files' normalised content, names and folders' names included."""
    return digest({f"{p.parent.name}/{p.name}": file_digest(p) for p in sorted(set(paths))})


@cache
def file_digest(path: Path) -> str:
    """Return an id of one source file's normalised content; files do not change while we run."""
    return digest(normalised_source(path))


def audio_digest(rows: Sequence[Utterance]) -> str:
    """Return an id of utterances: their ids, audio hashes and, for segments, their place."""
    return digest([[r.id, r.sha256, r.channel, r.start, r.stop, r.transcript] for r in rows])
