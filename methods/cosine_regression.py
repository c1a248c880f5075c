"""One-step regression of all codebook vectors by their direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.base import Backbone, Batch, CodeMethod, Inputs, LatentSpace
from methods.nets.tokens import check_finer
from methods.nets.transformer import Encoder
from methods.nets.vectors import cosine_loss, directions, nearest


class CosineRegression(CodeMethod):
    """Predict the directions of codebooks 2..N in one pass, and take the nearest entry of each.

    Against retrieval it isolates "iterative", against parallel_tokens the geometric target. The
    output does not start at zero, unlike regression's: the zero vector has no direction to improve.
    """

    name: ClassVar[str] = "cosine_regression"
    summary: ClassVar[str] = "One pass from x1 to the directions of codebook vectors 2..N."
    equation: ClassVar[str] = "min_f sum_k 1 - cos(f_k(e(x1)), c_{k,x_k})"
    source: ClassVar[str] = "arXiv 2608.19141 (one-step regression)"
    target: ClassVar[str] = "codebook vectors"
    nfe: ClassVar[int | str] = 1
    layered: ClassVar[bool] = True

    def __init__(self, params: CodeMethod.Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        check_finer(space.sizes)
        self.network = Encoder(backbone, space.dimension, (space.count - 1) * space.dimension)

    def networks(self) -> Sequence[nn.Module]:
        """Return the one network."""
        return (self.network,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the mean of 1 - cos over real frames and the N-1 codebooks."""
        predicted = self._predict(batch.codes[:, 0], batch.mask, generator)
        pairs = zip(predicted, batch.codes.unbind(1)[1:], strict=True)
        losses = [
            cosine_loss(vectors[batch.mask], directions(self.space, k), codes[batch.mask])
            for k, (vectors, codes) in enumerate(pairs, start=1)
        ]
        return torch.stack(losses).mean()

    def predict_codes(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Return x1 and the codes retrieved after it, (B, layers, F); nothing is drawn."""
        self.check_request(inputs, nfe)
        chosen = [
            nearest(vectors, directions(self.space, k), inputs.mask)
            for k, vectors in enumerate(self._predict(inputs.x1, inputs.mask), start=1)
        ]
        return torch.stack((inputs.x1, *chosen), dim=1)[:, : inputs.layers]

    def _predict(
        self, x1: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> Sequence[Tensor]:
        """Predict the vectors (B, F, D) of each of codebooks 2..N."""
        coarse = self.space.coarse(x1)
        output: Tensor = self.network(coarse, mask, generator=generator)
        return output.chunk(self.space.count - 1, dim=-1)
