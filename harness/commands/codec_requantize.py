"""`resynth codec requantize`."""

from __future__ import annotations

import math
import sys
import time
from argparse import Namespace
from pathlib import Path

from harness.codecs.catalog import codec_facts
from harness.commands.data import opened
from harness.commands.output import print_json, print_table
from harness.config import CodecConfig
from harness.data.corpus import Corpus, Utterance
from harness.errors import UserError
from harness.provenance import now, provenance
from harness.records import CodecFacts

ENTRIES = range(2, 32768)  # codes are kept as 16-bit integers
CODEBOOKS = range(1, 65)
SEEDS = range(1 << 31)


def requantize(options: Namespace) -> int:
    """Refit a codec's codebooks, write them to a file and print what they lose."""
    out = Path(options.out)
    check_options(options, out)
    config = CodecConfig(name=options.name, weights=options.weights)
    corpus = opened(Namespace(kind=options.corpus, root=options.root, option=options.option))
    train, valid = chosen_rows(corpus, options.split, options.valid_split)
    fit(config, corpus, train, valid, options, out)
    facts = codec_facts(config.model_copy(update={"quantizer": str(out)}))
    if options.json:
        print_json({"file": str(out), "codec": facts.model_dump(mode="json")})
    else:
        print_losses(facts)
        print(f"\nwrote {out}; give it as codec.quantizer, with codec.name {options.name}")
    return 0


def check_options(options: Namespace, out: Path) -> None:
    """Raise UserError for what can be refused before any audio is read."""
    for name, valid in (("entries", ENTRIES), ("codebooks", CODEBOOKS), ("seed", SEEDS)):
        value = getattr(options, name)
        if value not in valid:
            raise UserError(f"--{name} {value}: choose one from {valid[0]} to {valid[-1]}")
    if not 0 <= options.keep < options.codebooks:
        raise UserError(
            f"--keep {options.keep}: of {options.codebooks} codebooks at least one must be "
            f"fitted; choose from 0 to {options.codebooks - 1}"
        )
    if out.is_dir() or not out.parent.is_dir():
        fault = "is a folder" if out.is_dir() else f"folder {out.parent} does not exist"
        raise UserError(f"--out {out}: {fault}; name a file in an existing folder")
    if options.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UserError("--device cuda: no CUDA device is available here; use --device cpu")


def chosen_rows(
    corpus: Corpus, train: list[str] | None, valid: list[str] | None
) -> tuple[list[Utterance], list[Utterance]]:
    """Return the utterances to fit to and to measure on. Raises UserError if they share audio."""
    fitted = corpus.split(*(train or ["train"]))
    held_out = corpus.split(*(valid or ["valid"]))
    shared = {row.sha256 for row in fitted} & {row.sha256 for row in held_out}
    if shared:
        row = next(row for row in held_out if row.sha256 in shared)
        raise UserError(
            f"--valid-split: its utterance '{row.id}' is among those to fit to; choose splits "
            "that share no audio"
        )
    return fitted, held_out


def fit(
    config: CodecConfig,
    corpus: Corpus,
    train: list[Utterance],
    valid: list[Utterance],
    options: Namespace,
    out: Path,
) -> None:
    """Encode, fit, measure and write."""
    from harness.codecs.loading import load_codec
    from harness.codecs.requantize import (
        FITTED_VALUES,
        HELD_OUT_FRAMES,
        Arm,
        check_arm,
        fit_quantizer,
        read_frames,
    )
    from harness.codecs.requantized import save_quantizer

    started, clock = now(), time.monotonic()
    codec, arm = load_codec(config), Arm(options.entries, options.keep)
    check_arm(codec.facts, arm, options.codebooks)
    limit = FITTED_VALUES // codec.facts.dimension
    held_out = read_frames(codec, corpus, valid, HELD_OUT_FRAMES, options.seed, say)
    fitted = read_frames(codec, corpus, train, limit, options.seed, say)
    found = fit_quantizer(
        codec, fitted, held_out.z, arm, options.codebooks, options.seed, options.device, say
    )
    name = f"{corpus.name}: {', '.join(options.split or ['train'])}"
    save_quantizer(
        out,
        found.books,
        found.refit,
        codec.facts,
        (name, fitted.rows),
        provenance(started, time.monotonic() - clock),
    )


def say(what: str, done: int, of: int) -> None:
    """Tell on standard error how far the work is: every codebook, every hundredth utterance."""
    if done == of or done % 100 == 0 or "codebook" in what:
        print(f"{what} {done} of {of}", file=sys.stderr)


def print_losses(facts: CodecFacts) -> None:
    """Print what the first n codebooks lose, and how codebook n is used."""
    refit = facts.refit
    if refit is None:
        return
    print(f"{facts.name}: fitted to {refit.frames} frames, measured on held-out ones\n")
    rows, bits = [], 0.0
    for n, size in enumerate(facts.sizes):
        bits += math.log2(size)
        rows.append(
            (
                n + 1,
                size,
                f"{bits * facts.frame_rate / 1000:.3f}",
                f"{refit.mse[n]:.5f}",
                f"{refit.error_db[n]:.2f}",
                f"{refit.usage[n]:.1%}",
                f"{refit.entropy[n]:.2f}",
            )
        )
    header = ("n", "entries", "kb/s", "MSE", "error (dB)", "entries used", "entropy (bits)")
    print_table(header, rows)
