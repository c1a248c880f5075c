"""Geometric iterative retrieval: codebook vectors predicted in turn, the nearest entries taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, CodeMethod, Inputs, LatentSpace
from methods.nets.tokens import check_finer
from methods.nets.transformer import Encoder
from methods.nets.vectors import (
    LayerAttention,
    contents,
    contrastive_loss,
    cosine_loss,
    directions,
    nearest,
)

TEMPERATURE = 0.07  # CLIP's start (arXiv 2103.00020, section 2.5), and its bound on 1 / temperature
MAX_SCALE = 100.0


class Retrieval(CodeMethod):
    """Predict the direction of codebook k+1's vector from x_1..x_k, and retrieve the nearest entry.

    Order and NFE are coarse_to_fine's; what differs is the output, a vector in the latent space
    instead of K scores, so that near misses are near in sound, and what is known of the earlier
    layers: all their vectors, not their sum. One output projection serves all layers, since unlike
    indices their vectors share a space.
    """

    name: ClassVar[str] = "retrieval"
    summary: ClassVar[str] = "Predicts codebook vectors 2..N in order; takes the nearest entry."
    equation: ClassVar[str] = "x_{k+1} = argmax_j cos(f(e_1..e_k), c_{k+1,j})"
    source: ClassVar[str] = "arXiv 2608.19141"
    target: ClassVar[str] = "codebook vectors"
    nfe: ClassVar[int | str] = "N-1"
    layered: ClassVar[bool] = True

    class Params(CodeMethod.Params):
        """The source's ablations: how earlier layers are put together, and the loss.

        `aggregation` "additive" gives the network the sum of the known vectors, as coarse_to_fine
        does. `loss` "contrastive" is InfoNCE in both directions with a learned temperature;
        "cosine" is 1 - cos with the true entry, without candidates to be told from.
        """

        aggregation: Literal["attention", "additive"] = "attention"
        loss: Literal["contrastive", "cosine"] = "contrastive"

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        check_finer(space.sizes)
        size, width, steps = space.dimension, backbone.width, space.count - 1
        attends = params.aggregation == "attention"
        self.layers = LayerAttention(size, width, backbone.heads, steps) if attends else None
        self.step = nn.Embedding(steps, width)
        self.network = Encoder(backbone, width if attends else size, size, conditioned=True)
        if params.loss == "contrastive":
            self.log_scale = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))

    def networks(self) -> Sequence[nn.Module]:
        """Return the encoder, called once per codebook."""
        return (self.network,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the loss of codebook k+1's vector given the true x_1..x_k, one k for the batch."""
        device = generator.device
        known = int(torch.randint(1, self.space.count, (), generator=generator, device=device))
        predicted = self._predict(batch.codes[:, :known], batch.mask, generator)[batch.mask]
        entries, codes = directions(self.space, known), batch.codes[:, known][batch.mask]
        if self.params.loss == "cosine":
            return cosine_loss(predicted, entries, codes)
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        return contrastive_loss(predicted, entries, codes, scale)

    def predict_codes(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Return x1 and the codes retrieved after it, (B, layers, F); nothing is drawn."""
        self.check_request(inputs, nfe)
        codes = inputs.x1.unsqueeze(1)
        for known in range(1, nfe + 1):
            predicted = self._predict(codes, inputs.mask)
            chosen = nearest(predicted, directions(self.space, known), inputs.mask)
            codes = torch.cat((codes, chosen.unsqueeze(1)), dim=1)
        return codes

    def _predict(
        self, codes: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Predict from codes (B, k, F) the vector (B, F, D) of the codebook that follows."""
        batch, known, _ = codes.shape
        step = self.step(torch.full((batch,), known - 1, device=codes.device))
        predicted: Tensor = self.network(self._aggregate(codes), mask, step, generator)
        return predicted

    def _aggregate(self, codes: Tensor) -> Tensor:
        if self.layers is None:
            return self.space.standardise(self.space.embed(codes))
        vectors = [contents(self.space, k)[codes[:, k]] for k in range(codes.shape[1])]
        aggregated: Tensor = self.layers(torch.stack(vectors, dim=2))
        return aggregated
