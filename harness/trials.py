"""Train one trial of a plan and commit it; build its method again from what was committed."""

from __future__ import annotations

import time
from collections.abc import Callable

from safetensors.torch import load_file, save_file

from harness.codecs.base import Codec
from harness.errors import UserError
from harness.latents.files import Progress, file_sha256
from harness.latents.read import Latents
from harness.plan import Evaluation, Plan, Trial
from harness.provenance import now, provenance
from harness.records import MethodFacts, TrialRecord
from harness.space import trained_space, untrained_space
from harness.store import Store, write_record
from harness.synthesize import require_declared
from harness.train import Trained, train
from methods import catalog
from methods.base import Backbone, LatentSpace, Method


def builder(facts: MethodFacts, backbone: Backbone) -> Callable[[LatentSpace], Method]:
    """Return a function that builds a method, untrained, on a latent space."""
    found = catalog.load(catalog.get(facts.name))
    params = found.Params(**facts.params)
    return lambda space: found(params, space, backbone)


def train_trial(
    store: Store,
    plan: Plan,
    trial: Trial,
    codec: Codec,
    latents: Latents,
    progress: Progress,
    device: str,
) -> None:
    """Train one trial and commit its weights, curve and cost."""
    started, clock = now(), time.monotonic()
    trained = train(
        builder(trial.method, plan.config.backbone),
        trained_space(codec, latents, trial.subset),
        latents,
        trial.subset,
        [row.id for row in plan.splits.valid],
        plan.config.training,
        trial.seed,
        progress,
        device,
    )
    with store.commit("trials", trial.id) as folder:
        path = folder / "weights.safetensors"
        save_file(trained.method.state_dict(), path)
        record = describe(plan, trial, trained, file_sha256(path), started, clock)
        write_record(folder, record)


def describe(
    plan: Plan, trial: Trial, trained: Trained, weights: str, started: str, clock: float
) -> TrialRecord:
    """Return a trial's record."""
    return TrialRecord(
        id=trial.id,
        method=trial.method,
        codec=trial.codec.facts,
        data_size=trial.size,
        seed=trial.seed,
        training=plan.config.training.model_dump(),
        parameters=sum(p.numel() for p in trained.method.parameters()),
        frames=trained.frames,
        curve=trained.curve,
        weights_sha256=weights,
        provenance=provenance(started, time.monotonic() - clock),
    )


def load_method(store: Store, plan: Plan, evaluation: Evaluation, codec: Codec) -> Method:
    """Return an evaluation's method, with its trial's weights if it has any.

    Raises UserError if the weights changed since they were committed.
    """
    method = builder(evaluation.method, plan.config.backbone)(untrained_space(codec))
    require_declared(method)
    if evaluation.trial is not None:
        path = store.folder("trials", evaluation.trial.id) / "weights.safetensors"
        if file_sha256(path) != store.trial(evaluation.trial.id).weights_sha256:
            raise UserError(
                f"{path}: is damaged (its sha256 changed); remove {path.parent} and rerun"
            )
        method.load_state_dict(load_file(path))
    return method.eval()
