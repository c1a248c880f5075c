"""Fit the codebooks a study needs, as far as they are not there; the audio is encoded once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.codecs.loading import load_codec
from harness.codecs.requantize import HELD_OUT_FRAMES, Arm, fit_quantizer, read_frames
from harness.codecs.requantized import save_quantizer
from harness.config import Config
from harness.provenance import now, provenance
from harness.splits import resolve_splits
from harness.studies.codebooks import CodebookStudy

Files = Mapping[tuple[int, int], Path]


def fit_missing(
    config: Config, study: CodebookStudy, files: Files, say: Callable[[str], None]
) -> None:
    """Fit and write every absent file; each is written whole, so a killed study continues.

    Raises UserError as `fit_quantizer` does. The device is a GPU where workers have one.
    """
    missing = {key: path for key, path in files.items() if not path.is_file()}
    if not missing:
        return
    say(f"{len(missing)} of {len(files)} quantizers to fit")
    codec, splits = load_codec(config.codecs[0]), resolve_splits(config)
    device = "cuda" if config.compute.gpus_per_worker > 0 else "cpu"
    held_out = read_frames(codec, splits.corpus, splits.valid, HELD_OUT_FRAMES, study.seed, tell)
    fitted = read_frames(codec, splits.corpus, splits.train, study.frames, study.seed, tell)
    name = f"{splits.corpus.name}: {', '.join(config.corpus.train)}"
    for (keep, entries), path in missing.items():
        started, clock = now(), time.monotonic()
        found = fit_quantizer(
            codec, fitted, held_out.z, Arm(entries, keep), study.codebooks, study.seed, device, tell
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        spent = time.monotonic() - clock
        record = provenance(started, spent)
        save_quantizer(path, found.books, found.refit, codec.facts, (name, fitted.rows), record)
        say(f"{found.refit.label}: {found.refit.error_db[-1]:.2f} dB in {spent:.0f} s")


def tell(what: str, done: int, of: int) -> None:
    """Tell how far encoding is; a fitted quantizer is told as a whole."""
    if what.startswith("encode") and (done == of or done % 200 == 0):
        print(f"{what} {done} of {of}", file=sys.stderr)
