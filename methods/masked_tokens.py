"""Masked parallel decoding: the surest codes first, coarse to fine, in any number of calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from methods.base import Backbone, Batch, CodeMethod, Inputs, LatentSpace, uniform
from methods.nets.tokens import choose, gumbel, lowest, share_calls, softmax_heads
from methods.nets.transformer import Encoder


class MaskedTokens(CodeMethod):
    """MaskGIT (arXiv 2202.04200) level by level, as in SoundStorm (arXiv 2305.09636).

    A frame knows its first codes and not the others; `depth` is how many it knows. The network sees
    the embedding of those and the depth, and every codebook has its own softmax head. In training
    a level is drawn, coarser ones are known, finer ones are not, and of its own frames a share is
    hidden that follows MaskGIT's cosine schedule. At test time each call fixes the codes that the
    network is surest of; `methods.nets.tokens.share_calls` says how calls are shared by levels.
    """

    name: ClassVar[str] = "masked_tokens"
    summary: ClassVar[str] = "Fills in codebooks 2..N, surest codes first; any NFE."
    equation: ClassVar[str] = "p(hidden x_k | known x_k, x_1..x_{k-1}); hidden: cos(pi t / 2)"
    source: ClassVar[str] = "MaskGIT, arXiv 2202.04200; SoundStorm, arXiv 2305.09636"
    target: ClassVar[str] = "codes"
    nfe: ClassVar[int | str] = "any"
    layered: ClassVar[bool] = True
    sampling: ClassVar[tuple[str, ...]] = ("temperature", "confidence_noise")

    class Params(CodeMethod.Params):
        """`temperature`: 0 takes the likeliest code; 1 samples the model's own distribution.

        `confidence_noise` is MaskGIT's choice temperature: Gumbel noise times it, and times the
        share of calls to come, is added to the log-probabilities by which codes are put in order.
        `finer` weighs the loss of the levels beyond the one that was drawn, all of them hidden.
        With 0, SoundStorm's, a level is only learnt given all coarser ones: fewer than N-1 calls
        then ask for what was never trained.
        """

        temperature: Annotated[float, Field(ge=0)] = 0.0
        confidence_noise: Annotated[float, Field(ge=0)] = 0.0
        finer: Annotated[float, Field(ge=0)] = 1.0

    params: Params

    def __init__(self, params: Params, space: LatentSpace, backbone: Backbone) -> None:
        super().__init__(params, space, backbone)
        self.heads = softmax_heads(backbone.width, space.sizes)
        self.network = Encoder(backbone, space.dimension + space.count)

    def networks(self) -> Sequence[nn.Module]:
        """Return the encoder, called once per step."""
        return (self.network,)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the mean cross entropy in nats of hidden codes, a level and share an utterance.

        The mean over the drawn levels' codes, plus `finer` times that over the finer levels'.
        """
        level, hidden = self.draw_hidden(batch.mask, generator)
        depth = level[:, None] + ~hidden
        weights = self._weights(level, depth, batch.mask)
        encoded = self._encode(batch.codes, depth, batch.mask, generator)
        losses = []
        for k, head in enumerate(self.heads, start=1):
            scored = weights[:, k] > 0
            errors = functional.cross_entropy(
                head(encoded[scored]), batch.codes[:, k][scored], reduction="none"
            )
            losses.append((errors * weights[:, k][scored]).sum())
        return torch.stack(losses).sum()

    def draw_hidden(self, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw each utterance's level (B,), 1..N-1, and which of its frames (B, F) hide it.

        Level and share are spread evenly over the batch; at least one frame is hidden.
        """
        count, device = len(mask), mask.device
        level = (uniform(count, generator, device) * len(self.heads)).ceil().clamp(min=1).long()
        share = (uniform(count, generator, device) * math.pi / 2).cos()
        number = (share * mask.sum(1)).ceil().clamp(min=1)
        order = torch.rand(mask.shape, generator=generator, device=generator.device)
        return level, lowest(order.to(device), mask, number)

    def predict_codes(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Return x1 and the codes filled in after it, (B, layers, F), in `nfe` calls.

        With one layer the calls are still made, as asked, for the level that follows.
        """
        self.check_request(inputs, nfe)
        levels = max(2, inputs.layers or self.space.count) - 1
        finer = torch.zeros_like(inputs.x1).unsqueeze(1).expand(-1, levels, -1)
        codes = torch.cat((inputs.x1.unsqueeze(1), finer), dim=1)
        depth = torch.ones_like(inputs.x1)
        for first, last, time in share_calls(levels, nfe):
            hidden = self._encode(codes, depth, inputs.mask)
            for k in range(first, last + 1):
                logits = self.heads[k - 1](hidden)
                known = depth > k
                chosen = choose(logits, inputs.mask, self.params.temperature, generators)
                codes[:, k] = torch.where(known, codes[:, k], chosen)
                if time < 1:
                    sureness = self._sureness(logits, chosen, inputs.mask, time, generators)
                    depth = depth + self._fixed(sureness, inputs.mask & ~known, inputs.mask, time)
                else:
                    depth = depth.clamp(min=k + 1)
        return codes[:, : inputs.layers]

    def _sureness(
        self,
        logits: Tensor,
        chosen: Tensor,
        mask: Tensor,
        time: float,
        generators: Sequence[torch.Generator],
    ) -> Tensor:
        """Return the log-probabilities (B, F) of the chosen codes, with noise that fades out."""
        sureness = logits.log_softmax(-1).gather(-1, chosen.unsqueeze(-1))[..., 0]
        noise = self.params.confidence_noise * (1 - time)
        return sureness + noise * gumbel(sureness, mask, generators) if noise else sureness

    def _fixed(self, sureness: Tensor, hidden: Tensor, mask: Tensor, time: float) -> Tensor:
        """Tell which hidden frames (B, F) this call settles: all but the cosine's share, and one.

        The share is of the utterance's own real frames, so that batch and padding do not matter.
        """
        left = (math.cos(math.pi / 2 * time) * mask.sum(1)).floor()
        left = torch.minimum(left, hidden.sum(1) - 1).clamp(min=0)
        return hidden & ~lowest(sureness, hidden, left)

    def _weights(self, level: Tensor, depth: Tensor, mask: Tensor) -> Tensor:
        """Weigh the codes (B, N, F) in the loss; known ones and padding have none."""
        layer = torch.arange(self.space.count, device=level.device)[:, None]
        hidden = (layer >= depth[:, None]) & mask[:, None]
        own = hidden & (layer == level[:, None, None])
        finer = hidden & ~own
        return own / own.sum() + self.params.finer * finer / finer.sum().clamp(min=1)

    def _encode(
        self,
        codes: Tensor,
        depth: Tensor,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Encode the first `depth` (B, F) of the codes (B, n, F) of each frame into (B, F, W)."""
        vectors = [
            self.space.codebook(k)[codes[:, k]] * (depth > k).unsqueeze(-1)
            for k in range(codes.shape[1])
        ]
        latent = self.space.standardise(torch.stack(vectors).sum(0))
        told = functional.one_hot(depth - 1, self.space.count)
        hidden: Tensor = self.network(torch.cat((latent, told), dim=-1), mask, generator=generator)
        return hidden
