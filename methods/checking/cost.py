"""What a method weighs and what it costs, from shapes alone: no weight is drawn, none multiplied.

Weights live on the meta device. Whatever touches one gives zeros of the right shape, so the code
around it (masks, noise, chosen codes) runs as it is, at any size, in no time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from methods import catalog
from methods.base import Inputs, LatentSpace, Method
from methods.declaration import Declaration
from methods.nets.transformer import Encoder
from methods.params import Backbone

PAPER = Backbone(layers=12, width=768, heads=12)


@dataclass(frozen=True)
class Geometry:
    """A codec's: N codebooks of K entries, D dimensions, frames/s, Hz. The default is EnCodec's."""

    codebooks: int = 8
    entries: int = 1024
    dimension: int = 128
    frame_rate: float = 75.0
    sample_rate: int = 24_000

    def space(self) -> LatentSpace:
        """Return a latent space of this geometry, its codebooks random."""
        generator = torch.Generator().manual_seed(0)
        shape = (self.codebooks, self.entries, self.dimension)
        zeros, ones = torch.zeros(self.dimension), torch.ones(self.dimension)
        books = torch.randn(shape, generator=generator)
        return LatentSpace(books, zeros, ones, self.frame_rate, self.sample_rate)


class Shapes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Runs what involves a meta tensor by shape alone; its result is zeros on the CPU."""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation."""
        given = (tuple(args), dict(kwargs or {}))
        if not any(isinstance(leaf, Tensor) and leaf.is_meta for leaf in tree_leaves(given)):
            return func(*given[0], **given[1])
        places, names = tree_map_only(Tensor, lambda tensor: tensor.to("meta"), given)
        result = func(*places, **names)
        return tree_map_only(Tensor, lambda t: torch.zeros(t.shape, dtype=t.dtype), result)


def outline(
    declaration: Declaration,
    params: Mapping[str, Any],
    known: Mapping[str, Declaration],
    backbone: Backbone,
    geometry: Geometry,
) -> Method:
    """Build a method with weights on the meta device; its teacher's are not drawn either."""
    method_class = catalog.load(declaration)
    chosen = method_class.Params.model_validate(params)
    space = geometry.space()
    with torch.device("meta"):
        method = method_class(chosen, space, backbone).eval()
    if declaration.teacher is not None:
        found = catalog.get(declaration.teacher, known)
        inner = chosen.model_dump().get("teacher", {})
        teacher = outline(found, inner, known, backbone, geometry).requires_grad_(False)
        # It may move its teacher to another device, which nothing on meta can follow.
        teacher.to_empty(device="cpu").space = geometry.space()
        method.adopt(teacher)
    return method.requires_grad_(False)


def parameters(method: Method) -> int:
    """Count what is used at test time: the method's own and its networks', without critics."""
    critics = {id(p) for critic in method.critics() for p in critic.parameters()}
    modules: list[nn.Module] = [method, *method.networks()]
    used = {id(p): p.numel() for module in modules for p in module.parameters()}
    return sum(count for identity, count in used.items() if identity not in critics)


def encoder_parameters(backbone: Backbone, geometry: Geometry) -> int:
    """Count the regression's: those of the shared encoder from D to D dimensions."""
    with torch.device("meta"):
        network = Encoder(backbone, geometry.dimension, geometry.dimension)
    return sum(p.numel() for p in network.parameters())


def flops_per_second(method: Method, nfe: int, geometry: Geometry) -> float:
    """Count the floating-point operations that resynthesize one second of audio.

    Matrix products, convolutions and attention count; a multiplication and addition are two.
    """
    frames = round(geometry.frame_rate)
    generator = torch.Generator().manual_seed(0)
    x1 = torch.randint(0, geometry.entries, (1, frames), generator=generator)
    inputs = Inputs(x1, torch.ones(1, frames, dtype=torch.bool))
    # Attention counts as the products it is made of: the CPU's fused kernel would not.
    counter = FlopCounterMode(display=False)
    shapes = Shapes()  # type: ignore[no-untyped-call]
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), shapes, counter:
        method.resynthesize(inputs, nfe, [generator])
    return float(counter.get_total_flops()) * geometry.frame_rate / frames
