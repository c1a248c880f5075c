"""All remaining codes predicted at once: discrete, but not iterative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from methods.base import Backbone, Batch, CodeMethod, Inputs, LatentSpace
from methods.nets.tokens import choose, cross_entropy, softmax_heads
from methods.nets.transformer import Encoder


class ParallelTokens(CodeMethod):
    """Model x_2..x_N as independent of each other given x1, in one pass with N-1 heads.

    Against coarse_to_fine it isolates "iterative"; against regression it isolates "discrete".
    """

    name: ClassVar[str] = "parallel_tokens"
    summary: ClassVar[str] = "Predicts codebooks 2..N all at once from x1."
    equation: ClassVar[str] = "p(x2..xN | x1) = prod_k p(x_k | x1)"
    source: ClassVar[str] = "arXiv 2410.22448"
    target: ClassVar[str] = "codes"
    nfe: ClassVar[int | str] = 1
    layered: ClassVar[bool] = True
    sampling: ClassVar[tuple[str, ...]] = ("temperature",)

    class Params(CodeMethod.Params):
        """`temperature`: 0 takes the likeliest code; 1 samples the model's own distribution."""

        temperature: Annotated[float, Field(ge=0)] = 0.0

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        self.network = Encoder(backbone, space.dimension)
        self.heads = softmax_heads(backbone.width, space.sizes)

    def networks(self) -> Sequence[nn.Module]:
        """Return the encoder, called once."""
        return (self.network,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the cross entropy averaged over the N-1 heads."""
        hidden = self._encode(batch.codes[:, 0], batch.mask, generator)
        losses = [
            cross_entropy(head, hidden, batch.codes[:, k], batch.mask)
            for k, head in enumerate(self.heads, start=1)
        ]
        return torch.stack(losses).mean()

    def predict_codes(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Return x1 and the codes predicted together after it, (B, layers, F)."""
        self.check_request(inputs, nfe)
        hidden = self._encode(inputs.x1, inputs.mask)
        temperature = self.params.temperature
        chosen = [choose(head(hidden), inputs.mask, temperature, generators) for head in self.heads]
        return torch.stack((inputs.x1, *chosen), dim=1)[:, : inputs.layers]

    def _encode(self, x1: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        coarse = self.space.coarse(x1)
        hidden: Tensor = self.network(coarse, mask, generator=generator)
        return hidden
