"""Print what a plan will cost."""

from __future__ import annotations

from collections.abc import Sequence

from harness.commands.output import print_table
from harness.costs import Costs
from harness.latents.forecast import Forecast

UNITS = {"B": 0, "kB": 1, "MB": 2, "GB": 3, "TB": 4}


def print_forecast(caches: Sequence[Forecast]) -> None:
    """Print what the latent caches take on disk and to encode, beside what they did take."""
    rows = [
        (
            cache.codec,
            f"{cache.hours:,.3g} h",
            cache.shards,
            size_text(cache.bytes),
            "unknown" if cache.seconds is None else f"{time_text(cache.seconds)} ({cache.basis})",
            f"{cache.finished}",
            f"{size_text(cache.measured_bytes)} ({size_text(cache.finished_bytes)} expected)",
            time_text(cache.measured_seconds),
        )
        for cache in caches
    ]
    print()
    head = ("latents", "audio", "shards", "disk", "encoding", "finished", "took", "encoded in")
    print_table(head, rows)


def print_costs(cost: Costs) -> None:
    """Print what training costs by method and in all, and what the evaluations' audio takes."""
    rows = [
        cost_row(cost, one.method, one.trials, one.done, one.flops, one.disk)
        for one in cost.methods
    ]
    if rows:
        counts = [sum(getattr(one, name) for one in cost.methods) for name in ("trials", "done")]
        disk = sum(one.disk for one in cost.methods)
        rows.append(cost_row(cost, "all", counts[0], counts[1], cost.flops, disk))
        print()
        head = ("training", "trials", "done", "FLOPs", "one worker", "GPU-hours", "checkpoints")
        print_table(head, rows)
        print(rate_text(cost))
    print(
        f"{cost.evaluations} evaluations make {cost.audio_hours:,.3g} h of audio, "
        f"{size_text(cost.audio_bytes)}"
    )


def cost_row(
    cost: Costs, name: str, trials: int, done: int, flops: float, disk: int
) -> tuple[object, ...]:
    """Return one line of the table of costs."""
    worker, gpu = cost.worker_hours(flops), cost.gpu_hours(flops)
    return (
        name,
        trials,
        done,
        f"{flops:.2e}",
        "unknown" if worker is None else time_text(3600 * worker),
        "unknown" if gpu is None else f"{gpu:,.1f}" if cost.gpus_per_worker else "-",
        size_text(disk),
    )


def rate_text(cost: Costs) -> str:
    """Return what the hours rest on, how long the whole run trains, and what of it is left."""
    if cost.rate is None or cost.seconds is None:
        return (
            "hours are unknown: the store has no finished trial of this backbone, and the "
            "configuration states no compute.flops_per_second"
        )
    left = cost.worker_hours(cost.flops_left) or 0.0
    gpus = f" ({left * cost.gpus_per_worker:,.1f} GPU-hours)" if cost.gpus_per_worker else ""
    return (
        f"the whole run trains for {time_text(cost.seconds)} on {cost.workers} workers of "
        f"{cost.rate:.2e} FLOP/s each ({cost.basis}); left: {time_text(3600 * left)} of one "
        f"worker{gpus}"
    )


def size_text(count: float) -> str:
    """Return bytes in a unit people read."""
    unit = next((u for u in ("B", "kB", "MB", "GB") if abs(count) < 1000 ** (UNITS[u] + 1)), "TB")
    return f"{count / 1000 ** UNITS[unit]:.3g} {unit}"


def time_text(seconds: float) -> str:
    """Return seconds in a unit people read."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
