"""A SYNTHETIC requantization study: three K in two arms, with slopes that are known."""

from __future__ import annotations

from dataclasses import replace

from synthetic_store import Options, codec

from harness.records import CodecFacts, Refit

ERRORS = {256: -8.0, 512: -10.0, 1024: -12.5}  # dB after all 8 codebooks
SLOPES = {"coarse_to_fine": -0.02, "regression/embedding": -0.008, "regression": 0.0}
RECONSTRUCTION = -0.015
METHODS = {"coarse_to_fine": 0.575, "regression": 0.60, "regression/embedding": 0.59}


def refitted(entries: int, kept: int) -> CodecFacts:
    """Return a codec of 8 codebooks, those after `kept` with other entries, fitted up to 10."""
    errors = tuple(ERRORS[entries] * n / 8 for n in range(1, 11))
    label = f"k{entries}-kept{kept}"
    refit = Refit(
        base="tiny", label=label, kept=kept, seed=0, frames=100_000,
        mse=tuple(10 ** (error / 10) for error in errors), error_db=errors,
        usage=(0.98,) * 10, entropy=(7.5,) * 10,
    )  # fmt: skip
    return codec(f"tiny+{label}", (1024,) * kept + (entries,) * (8 - kept), refit=refit)


def effect(system: str, facts: CodecFacts, count: int) -> float:
    """Move quality along the quantization error by the known slopes."""
    if facts.refit is None:
        return 0.0
    error = facts.refit.error_db[count - 1]
    if system.partition("/")[0] == "codec":
        return RECONSTRUCTION * (error + 12.5)
    return SLOPES.get(system, 0.0) * (error + 8)


def study(options: Options) -> Options:
    """Return the options with the study's codecs and methods, beside the codec they refit."""
    codecs = [refitted(entries, kept) for kept in (1, 0) for entries in ERRORS]
    return replace(
        options, codecs=(codec(), *codecs), methods=METHODS, effect=effect, sizes=("100%",),
        nfes=(1,), layers=(2, 4),
    )  # fmt: skip
