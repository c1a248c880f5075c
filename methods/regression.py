"""One-step regression from the coarse embedding to a continuous latent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from methods.base import Audio, Backbone, Batch, Inputs, LatentSpace, Method, masked_mean
from methods.nets.transformer import Encoder


class Regression(Method):
    """Predict the target latent in one pass, as a residual over the coarse embedding.

    The output projection starts at zero, so the untrained method *is* the coarse anchor: training
    can only be judged by what it adds, and a small budget is not spent relearning x1. Source and
    target are standardised with one set of statistics, the target's, which keeps their difference
    meaningful per dimension.
    """

    name: ClassVar[str] = "regression"
    summary: ClassVar[str] = "One pass from x1 to the continuous latent."
    equation: ClassVar[str] = "min_f | e(x1) + f(e(x1)) - z |^p"
    source: ClassVar[str] = "arXiv 2410.22448"
    target: ClassVar[str] = "z"
    nfe: ClassVar[int | str] = 1

    class Params(Method.Params):
        """`target`: z or the embedding of all codes. `loss`: l2 leads to the mean, l1 the median.

        l2 is the default because the bridge at NFE 1 is then this very method.
        """

        target: Literal["z", "embedding"] = "z"
        loss: Literal["l1", "l2"] = "l2"

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        size = space.dimension
        self.network = Encoder(backbone, size, size, zero_output=True)

    def networks(self) -> Sequence[nn.Module]:
        """Return the one network."""
        return (self.network,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the mean error per real frame and standardised dimension."""
        error = self._predict(batch.codes[:, 0], batch.mask, generator)
        error = error - self.space.aim(batch, self.params.target)
        return masked_mean(error.abs() if self.params.loss == "l1" else error.square(), batch.mask)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return the predicted latent (B, F, D), zero on padding."""
        self.check_request(inputs, nfe)
        latent = self.space.restore(self._predict(inputs.x1, inputs.mask))
        return latent * inputs.mask.unsqueeze(-1)

    def _predict(
        self, x1: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        coarse = self.space.coarse(x1)
        residual: Tensor = self.network(coarse, mask, generator=generator)
        return coarse + residual
