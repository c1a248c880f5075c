"""Checks of a method's state and size."""

from __future__ import annotations

from safetensors.torch import load, save

from methods.checking.cost import PAPER, Geometry, encoder_parameters, outline, parameters
from methods.checking.findings import Failed, NotApplicable, check
from methods.checking.subject import Subject, distance, losses, run, values
from methods.checking.subject import loss as compute_loss

ALLOWED = 0.1  # by which parameters may differ from the regression's at an equal budget


@check(
    "its state survives a file",
    "keep all that training changes in parameters and registered buffers",
    at="__init__",
    after=("device", "training_loss", "determinism"),
)
def state(subject: Subject) -> str:
    """Save after a training call, load into another one drawn from another seed, and compare."""
    method, again = subject.build(), subject.build(awake=False, seed=1)
    for critic in losses(method):
        compute_loss(method.train(), subject.batch(), critic=critic)
    saved = save(method.eval().state_dict())
    again.load_state_dict(load(saved))
    for nfe in subject.nfes:
        results = [values(run(m, subject.inputs(), nfe)) for m in (method, again)]
        off = distance(*results)
        if off:
            raise Failed(f"loaded again, its result is off by {off:.2g} at NFE {nfe}")
    return f"{len(saved)} bytes of safetensors"


@check(
    "as many parameters as the regression",
    "at an equal budget methods differ by 10 % at most; move what is over into the backbone",
    at="__init__",
    after=("construction", "teacher"),
    warns=True,
)
def size(subject: Subject) -> str:
    """Count parameters at the paper's size, on EnCodec's geometry."""
    if not subject.declaration.trains:
        raise NotApplicable("it trains nothing")
    geometry = Geometry()
    method = outline(subject.declaration, subject.params, subject.known, PAPER, geometry)
    own, shared = parameters(method), encoder_parameters(PAPER, geometry)
    over = own / shared - 1
    seen = f"{own / 1e6:.1f} M parameters at 12 layers of 768, {over:+.1%} beside the regression"
    if abs(over) > ALLOWED:
        raise Failed(seen)
    return seen
