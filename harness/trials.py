"""Train one trial of a plan and commit it; build its method again from what was committed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file, save_file

from harness.codecs.base import Codec
from harness.codecs.loading import load_codec
from harness.errors import UserError
from harness.latents.files import Progress, file_sha256
from harness.latents.read import Latents
from harness.plan import Evaluation, Plan, Trial
from harness.provenance import now, provenance
from harness.records import Checkpoint, MethodFacts, TrialRecord
from harness.space import trained_space, untrained_space
from harness.store import Store, write_record
from harness.synthesize import require_declared
from harness.training.checkpoints import Checkpoints
from harness.training.loop import Setup, Trained, Training, Weights
from harness.training.losses import frozen_decoder
from harness.training.optimise import divide
from harness.training.ranks import Ranks
from methods import catalog
from methods.base import Backbone, LatentSpace, Method


def builder(facts: MethodFacts, backbone: Backbone) -> Callable[[LatentSpace], Method]:
    """Return a function that builds a method, untrained, on a latent space."""
    found = catalog.load(catalog.get(facts.name))
    params = found.Params(**facts.params, **facts.places)
    return lambda space: found(params, space, backbone)


def train_trial(
    store: Store,
    plan: Plan,
    trial: Trial,
    codec: Codec,
    latents: Latents,
    progress: Progress,
    device: str,
    ranks: Ranks,
) -> None:
    """Train one trial, from its checkpoint if there is one, and commit its weights and cost.

    Of several ranks the first one commits.
    """
    started, clock, config = now(), time.monotonic(), plan.config.budget
    path = store.checkpoint(trial.id) if ranks.first or ranks.count > 1 else None
    checkpoints = Checkpoints(path, config.checkpoint_minutes)
    setup = make_setup(store, plan, trial, codec, latents, device)
    trained = Training(setup, progress, checkpoints, device, ranks).run()
    if not ranks.first:
        return
    with store.commit("trials", trial.id) as folder:
        hashes = save_weights(folder, trained)
        write_record(folder, describe(plan, trial, trained, hashes, ranks, started, clock))
    checkpoints.remove()


def make_setup(
    store: Store, plan: Plan, trial: Trial, codec: Codec, latents: Latents, device: str
) -> Setup:
    """Gather what a training is given."""
    return Setup(
        build=builder(trial.method, plan.config.backbone),
        space=trained_space(codec, latents, trial.subset),
        latents=latents,
        subset=trial.subset,
        valid=[row.id for row in plan.splits.valid],
        config=plan.config.budget,
        seed=trial.seed,
        teacher=load_trial(store, plan, trial.teacher, "last", codec) if trial.teacher else None,
        # A codec of its own, as it moves to the device; not every codec can be copied.
        make_decoder=lambda: frozen_decoder(load_codec(trial.codec.config), device),
    )


def save_weights(folder: Path, trained: Trained) -> dict[Checkpoint, str]:
    """Write the last and the best weights; return their hashes."""
    hashes: dict[Checkpoint, str] = {}
    both: dict[Checkpoint, Weights] = {"last": trained.last, "best": trained.best}
    for name, weights in both.items():
        path = folder / f"{name}.safetensors"
        save_file(weights, path)
        hashes[name] = file_sha256(path)
    return hashes


def describe(
    plan: Plan,
    trial: Trial,
    trained: Trained,
    weights: dict[Checkpoint, str],
    ranks: Ranks,
    started: str,
    clock: float,
) -> TrialRecord:
    """Return a trial's record."""
    own, critics = divide(trained.method)
    return TrialRecord(
        id=trial.id,
        method=trial.method,
        codec=trial.codec.facts,
        data_size=trial.size,
        seed=trial.seed,
        training=plan.config.budget.model_dump(),
        teacher=trial.teacher.id if trial.teacher else None,
        parameters=sum(p.numel() for p in own),
        critic_parameters=sum(p.numel() for p in critics),
        steps=trained.steps,
        frames=trained.frames,
        flops=trained.flops,
        seconds=trained.seconds,
        stalled_seconds=trained.stalled,
        ranks=ranks.count,
        best_step=trained.best_step,
        curve=trained.curve,
        weights_sha256=weights,
        provenance=provenance(started, time.monotonic() - clock),
    )


def load_method(store: Store, plan: Plan, evaluation: Evaluation, codec: Codec) -> Method:
    """Return an evaluation's method, with its trial's weights if it has any.

    Raises UserError as `load_trial` does.
    """
    trial, checkpoint = evaluation.trial, evaluation.checkpoint
    if trial is None or checkpoint is None:
        return anchor(plan, evaluation, codec)
    if evaluation.method.name == trial.method.name:
        # The trial may have been planned for other sampling parameters.
        return load_trial(store, plan, replace(trial, method=evaluation.method), checkpoint, codec)
    method = anchor(plan, evaluation, codec)
    method.adopt(load_trial(store, plan, trial, checkpoint, codec))
    return method


def anchor(plan: Plan, evaluation: Evaluation, codec: Codec) -> Method:
    """Return a method that has no weights of its own."""
    method = builder(evaluation.method, plan.config.backbone)(untrained_space(codec))
    require_declared(method)
    return method.eval()


def load_trial(
    store: Store, plan: Plan, trial: Trial, checkpoint: Checkpoint, codec: Codec
) -> Method:
    """Return a trial's method with the weights of one of its checkpoints.

    Raises UserError if they changed since they were committed, or are another method's.
    """
    method = builder(trial.method, plan.config.backbone)(untrained_space(codec))
    require_declared(method)
    path = store.folder("trials", trial.id) / f"{checkpoint}.safetensors"
    if file_sha256(path) != store.trial(trial.id).weights_sha256[checkpoint]:
        raise UserError(f"{path}: is damaged (its sha256 changed); remove {path.parent} and rerun")
    load_weights(method, path)
    return method.eval()


def load_weights(method: Method, path: Path) -> None:
    """Load weights into a method. Raises UserError that names every entry that does not fit."""
    found, own = load_file(path), method.state_dict()
    faults = [f"{name} is missing" for name in own.keys() - found.keys()]
    faults += [f"{name} is unknown" for name in found.keys() - own.keys()]
    faults += [
        f"{name} has shape {tuple(found[name].shape)}, not {tuple(own[name].shape)}"
        for name in own.keys() & found.keys()
        if own[name].shape != found[name].shape
    ]
    if faults:
        raise UserError(
            f"{path}: holds other parameters than method '{method.name}' has with these "
            f"settings: {'; '.join(sorted(faults))}; give the weights of its own trial"
        )
    method.load_state_dict(found)
