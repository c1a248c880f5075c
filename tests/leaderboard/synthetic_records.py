"""SYNTHETIC records of codecs, methods and trials: invented values, never to publish."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from harness.records import (
    Checkpoint,
    CodecFacts,
    CurvePoint,
    DataSize,
    MethodFacts,
    Provenance,
    TrialRecord,
)

ANCHORS = {"copy": 1.0, "prequantized": 0.80, "codec": 0.79, "coarse": 0.55}
LAYERED = ("codec", "coarse_to_fine", "parallel_tokens")
TEACHERS = {"requantized": "regression", "distilled": "bridge"}
SIZES = {"10%": 0.12, "30%": 0.37, "100%": 1.2}
STEPS = 500


def codec(
    name: str = "tiny", sizes: tuple[int, ...] = (1024,) * 8, frame_rate: float = 75.0, **facts: Any
) -> CodecFacts:
    """Return facts of a codec that exists nowhere."""
    base: dict[str, Any] = {
        "sample_rate": 24_000, "dimension": 128, "licence": "Apache-2.0", "trained_on": ("noise",),
        "sha256": hashlib.sha256(name.encode()).hexdigest(),
    }  # fmt: skip
    return CodecFacts.of(sizes, frame_rate, name=name, **(base | facts))


def method_facts(system: str, shown: str) -> MethodFacts:
    """Return a method's facts; `system` is "name", "name/variant" or "opus/RATE"."""
    name, _, part = system.partition("/")
    anchor = name in (*ANCHORS, "opus")
    params: dict[str, Any] = {} if anchor else {"beta_max": 0.3}
    if part and name != "codec":
        params["bit_rate" if name == "opus" else "target"] = int(part) if name == "opus" else part
    return MethodFacts(
        name=shown, variant="" if anchor else part,
        kind="anchor" if anchor else "method", summary=f"Synthetic {name}.",
        equation="q(X_t | X_0, X_1)", source="arXiv 2410.22448", target="z",
        conditions_on=("reference",) if name in ("copy", "opus") else ("x1",),
        layered=name in LAYERED, needs=(), teacher=TEACHERS.get(name), params=params,
        backbone={} if anchor else {"layers": 3, "width": 192},
    )  # fmt: skip


def best_step(size: str) -> int:
    """Return where a trial's validation loss is lowest: early where there is little data."""
    return 200 if size == "10%" else STEPS


def valid_loss(size: str, step: int) -> float:
    """Return a validation loss that falls until `best_step`, and rises by 0.001 a step after it."""
    lowest = best_step(size)
    return 1.2 + 2 * math.exp(-min(step, lowest) / 100) + 0.001 * max(0, step - lowest)


def trial_record(
    identity: str, method: MethodFacts, facts: CodecFacts, size: str, seed: int, **changes: Any
) -> TrialRecord:
    """Return a trial of 500 steps; `changes` replace fields."""
    curve = tuple(
        CurvePoint(
            step=step, seconds=step / 10, train=1 + 3 / (1 + step / 50),
            valid=valid_loss(size, step) if step % 100 == 0 else None,
        )
        for step in range(10, STEPS + 10, 10)
    )  # fmt: skip
    weights: dict[Checkpoint, str] = {"last": "ab" * 32, "best": "cd" * 32}
    fields: dict[str, Any] = {
        "id": identity, "method": method, "codec": facts, "seed": seed,
        "data_size": DataSize(label=size, hours=SIZES[size], utterances=100, voices=5),
        "training": {"steps": STEPS, "ema": 0.99}, "teacher": None, "parameters": 1_400_000,
        "critic_parameters": 0, "steps": STEPS, "frames": 450_000, "flops": 6.2e13,
        "seconds": 50.0, "stalled_seconds": 0.5, "ranks": 1, "best_step": best_step(size),
        "curve": curve, "weights_sha256": weights, "provenance": provenance(),
    }  # fmt: skip
    return TrialRecord(**(fields | changes))


def provenance() -> Provenance:
    """Return where nothing was computed."""
    return Provenance(
        git_commit="0123456789abcdef", git_dirty=False, versions={"torch": "2.13.0"},
        hardware={"cpu": "synthetic", "cores": 2}, started="2026-11-22T12:00:00Z", seconds=12.5,
    )  # fmt: skip
