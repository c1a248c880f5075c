"""Codes predicted one codebook after another, coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from methods.base import Backbone, Batch, CodeMethod, Inputs, LatentSpace
from methods.nets.tokens import choose, cross_entropy, softmax_heads
from methods.nets.transformer import Encoder


class CoarseToFine(CodeMethod):
    """Model p(x_{k+1} | x_1..x_k), k = 1..N-1, with one network told k.

    Every codebook has its own softmax head: indices of different codebooks share no meaning, and
    one head per batch costs no more than a shared one.
    """

    name: ClassVar[str] = "coarse_to_fine"
    summary: ClassVar[str] = "Predicts codebooks 2..N in order, each from all those before it."
    equation: ClassVar[str] = "p(x2..xN | x1) = prod_k p(x_{k+1} | x_1..x_k)"
    source: ClassVar[str] = "arXiv 2410.22448"
    target: ClassVar[str] = "codes"
    nfe: ClassVar[int | str] = "N-1"
    layered: ClassVar[bool] = True
    sampling: ClassVar[tuple[str, ...]] = ("temperature",)

    class Params(CodeMethod.Params):
        """`temperature`: 0 takes the likeliest code; 1 samples the model's own distribution."""

        temperature: Annotated[float, Field(ge=0)] = 0.0

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        self.heads = softmax_heads(backbone.width, space.sizes)
        # Told k beside every frame: modulating every layer by it took 5 % more parameters.
        self.network = Encoder(backbone, space.dimension + space.count - 1)

    def networks(self) -> Sequence[nn.Module]:
        """Return the encoder, called once per codebook."""
        return (self.network,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the cross entropy of x_{k+1} given the true x_1..x_k, one k for the batch."""
        device = generator.device
        known = int(torch.randint(1, self.space.count, (), generator=generator, device=device))
        hidden = self._encode(batch.codes[:, :known], batch.mask, generator)
        return cross_entropy(self.heads[known - 1], hidden, batch.codes[:, known], batch.mask)

    def predict_codes(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Return x1 and the codes predicted in turn after it, (B, layers, F), one per call."""
        self.check_request(inputs, nfe)
        codes = inputs.x1.unsqueeze(1)
        for head in self.heads[:nfe]:
            logits = head(self._encode(codes, inputs.mask))
            chosen = choose(logits, inputs.mask, self.params.temperature, generators)
            codes = torch.cat((codes, chosen.unsqueeze(1)), dim=1)
        return codes

    def _encode(
        self, codes: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Encode codes (B, k, F) into (B, F, W), from which head k scores the codes that follow."""
        latent = self.space.standardise(self.space.embed(codes))
        step = torch.zeros(*latent.shape[:2], self.space.count - 1, device=latent.device)
        step[..., codes.shape[1] - 1] = 1
        frames = torch.cat((latent, step), dim=-1)
        hidden: Tensor = self.network(frames, mask, generator=generator)
        return hidden
