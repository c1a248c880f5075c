"""Checks of `loss`, `critics` and `critic_loss`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.base import Method, MethodError
from methods.checking.findings import Failed, NotApplicable, check
from methods.checking.subject import Subject, loss, losses

STEPS = 60  # what follows a zero-initialised layer, or a codebook's head, is reached after some
RATE = 0.01


@check(
    "a finite float32 scalar, in training and validation",
    "return the mean over real frames; pass the generator on to networks, whose dropout needs it",
    at="loss",
    after=("shape",),
)
def training_loss(subject: Subject) -> str:
    """Call the losses in training mode, and `loss` as validation does; anchors refuse."""
    method, batch = subject.build(), subject.batch()
    if not method.trains:
        try:
            loss(method, batch)
        except MethodError:
            return "refused: it trains nothing"
        raise Failed("it declares trains = False, but loss returns")
    for critic in losses(method):
        _scalar(loss(method.train(), batch, critic=critic), "critic_loss" if critic else "loss")
    with torch.no_grad():
        validation = loss(method.eval(), batch)
    if not bool(validation.isfinite()):
        raise Failed(f"in test mode, as for validation, the loss is {float(validation)}")
    return f"{float(validation):.3g} before training"


def _scalar(value: Tensor, function: str) -> None:
    """Raise Failed unless a training loss is one finite number with a gradient."""
    if value.dim() or value.dtype != torch.float32:
        raise Failed(f"{function} returns {tuple(value.shape)} of {value.dtype}", function)
    if not bool(value.isfinite()):
        raise Failed(f"{function} is {float(value)}", function)
    if not value.requires_grad:
        raise Failed(f"{function} does not depend on any parameter", function)


@check(
    "the loss's gradient reaches every parameter",
    "use the parameter in loss, or remove it",
    at="loss",
    after=("training_loss",),
)
def gradients(subject: Subject) -> str:
    """Take some steps until every parameter that is no critic's has had a gradient."""
    if not subject.declaration.trains:
        raise NotApplicable("it trains nothing")
    method = subject.build(awake=False).train()
    critics = _parameters(method.critics())
    own = {key: p for key, p in method.named_parameters() if id(p) not in critics}
    return _reach(subject, method, own, critic=False)


@check(
    "critics are submodules, and critic_loss reaches all of them",
    "return modules assigned in __init__ from critics(), and use all of each in critic_loss",
    at="critic_loss",
    after=("training_loss",),
)
def critics(subject: Subject) -> str:
    """As `gradients`, for the parameters of critics."""
    method = subject.build(awake=False).train()
    parts = _parameters(method.critics())
    if not parts:
        raise NotApplicable("it has no critics")
    own = {key: p for key, p in method.named_parameters() if id(p) in parts}
    if len(own) < len(parts):
        raise Failed(f"{len(parts) - len(own)} parameters are not the method's own", "critics")
    return _reach(subject, method, own, critic=True)


def _parameters(modules: object) -> set[int]:
    """Return the identities of all parameters of some modules."""
    assert isinstance(modules, tuple | list)
    found: list[nn.Module] = list(modules)
    return {id(parameter) for module in found for parameter in module.parameters()}


def _reach(subject: Subject, method: Method, own: dict[str, nn.Parameter], *, critic: bool) -> str:
    """Take steps by one loss; raise Failed for parameters whose gradient stays zero."""
    optimiser = torch.optim.Adam(own.values(), lr=RATE)
    missing, batch = set(own), subject.batch()
    for step in range(STEPS):
        optimiser.zero_grad()
        torch.autograd.backward(loss(method, batch, critic=critic, seed=step))
        optimiser.step()
        missing -= {key for key in missing if _moved(own[key])}
        if not missing:
            return f"{len(own)} parameters, after {step + 1} steps"
    first = sorted(missing)[0]
    raise Failed(f"no gradient in {STEPS} steps: {first} ({len(missing)} of {len(own)})")


def _moved(parameter: nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.abs().max() > 0)
