"""What methods share whose network is told the time: its parts, and how it is called."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from methods.base import Backbone, LatentSpace, Method
from methods.nets.transformer import Encoder, TimeEmbedding


class TimedMethod(Method):
    """A method whose network sees X_t, the coarse embedding and t, and is called once a step."""

    def __init__(self, params: Method.Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        size = space.dimension
        self.time = TimeEmbedding(backbone.width)
        self.network = Encoder(backbone, 2 * size, size, conditioned=True, zero_output=True)

    def networks(self) -> Sequence[nn.Module]:
        """Return the network; solvers of second order call it twice a step."""
        return (self.network,)

    def _output(
        self,
        current: Tensor,
        coarse: Tensor,
        time: Tensor,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return what the network predicts (B, F, D) from X_t, e(x1) and times (B,)."""
        frames = torch.cat((current, coarse), dim=-1)
        output: Tensor = self.network(frames, mask, self.time(time), generator)
        return output
