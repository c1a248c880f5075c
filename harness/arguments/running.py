"""Arguments of plan, run, publish, serve and doctor."""

from __future__ import annotations

from harness.arguments.base import Parsers, add


def add_run_commands(groups: Parsers) -> None:
    """Add plan, run, publish, serve, doctor."""
    plan = add(
        groups,
        "plan",
        "planning:plan",
        "print trials and evaluations, what is done, and what the rest will cost",
        "resynth plan configs/quick.yaml --json",
    )
    run = add(
        groups,
        "run",
        "running:run",
        "train, evaluate, score and publish what is missing",
        "resynth run configs/quick.yaml --store runs/quick",
    )
    for one in (plan, run):
        one.add_argument("config", help="a YAML file, or the name of one that ships (quick, smoke)")
        one.add_argument("--store", help="store folder (default: the configuration's)")
    plan.add_argument(
        "--hours", type=float, help="size the latent cache for so many hours of audio instead"
    )
    plan.add_argument("--json", action="store_true", help="print JSON")
    run.add_argument("--site", help="site folder (default: the configuration's)")
    run.add_argument("--address", help="address of a Ray cluster (default: start Ray here)")
    publish = add(
        groups,
        "publish",
        "running:publish",
        "build the leaderboard from a store",
        "resynth publish --store runs/quick --out site",
    )
    publish.add_argument("--store", required=True, help="store folder")
    publish.add_argument("--out", required=True, help="site folder")
    serve = add(
        groups,
        "serve",
        "serving:serve",
        "preview the leaderboard on this machine",
        "resynth serve site --port 8000",
    )
    serve.add_argument("site", nargs="?", default="site", help="site folder")
    serve.add_argument("--port", type=int, default=0, help="port (default: a free one)")
    doctor = add(
        groups,
        "doctor",
        "doctor:doctor",
        "say what is installed and missing, and what that costs",
        "resynth doctor",
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")
