"""Regression, then requantization: continuous prediction, but a decoder input made of codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from methods.base import Audio, Inputs, Method, MethodError


class Requantized(Method):
    """The regression's latent, replaced by the codes a greedy residual search finds for it.

    The first code is the given x1; codebook after codebook then takes the vector nearest to what
    the earlier ones have left over, and the vectors are summed. Beside the regression itself this
    tells whether a continuous target helps in itself or because the decoder is
    given latents that no codes make.

    The search is over the effective codebooks, so it is the codec's own quantizer only where those
    are residual and matched in D dimensions, as EnCodec's are. DAC (arXiv 2306.06546) matches by
    angle after a projection: the result is then a sum of its vectors, hence an input its decoder
    knows, but not the codes DAC would give. Mimi (2410.00037) quantizes z twice side by side, and
    its decoder knows sums that are not near z; there let the teacher regress the "embedding", of
    which a residual search is an approximation as elsewhere.
    """

    name: ClassVar[str] = "requantized"
    summary: ClassVar[str] = "Regression to z, then greedy residual quantization to codes."
    equation: ClassVar[str] = "c_k = argmin_c | f(e(x1)) - e(c_1) - ... - e(c_k-1) - e_k(c) |"
    source: ClassVar[str] = "arXiv 2410.22448, with residual quantization of its prediction"
    target: ClassVar[str] = "z"
    trains: ClassVar[bool] = False
    nfe: ClassVar[int | str] = 1
    layered: ClassVar[bool] = True
    teacher: ClassVar[str | None] = "regression"

    class Params(Method.Params):
        """`teacher`: the regression's parameters."""

        teacher: dict[str, bool | int | float | str] = Field(default_factory=dict)

    params: Params
    adopted: tuple[Method, ...] = ()  # a tuple, so that the module tree does not register it

    def networks(self) -> Sequence[nn.Module]:
        """Return the adopted regression's network."""
        return [network for method in self.adopted for network in method.networks()]

    def adopt(self, teacher: Method) -> None:
        """Take the trained regression; its parameters stay its own."""
        self.adopted = (teacher.eval().requires_grad_(False),)

    def resynthesize(
        self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]
    ) -> Tensor | Audio:
        """Return the embedding (B, F, D) of the codes found, zero on padding.

        Raises MethodError before a regression was adopted.
        """
        self.check_request(inputs, nfe)
        codes = self.quantize(self._predict(inputs, nfe, generators), inputs.x1, inputs.layers)
        return self.space.embed(codes) * inputs.mask.unsqueeze(-1)

    def quantize(self, latent: Tensor, x1: Tensor, layers: int | None = None) -> Tensor:
        """Return codes (B, k, F) for latent (B, F, D), from the first k = `layers` codebooks."""
        residual, codes = latent - self.space.codebook(0)[x1], [x1]
        for k in range(1, layers or self.space.count):
            book = self.space.codebook(k)
            codes.append(nearest(residual, book))
            residual = residual - book[codes[-1]]
        return torch.stack(codes, dim=1)

    def _predict(self, inputs: Inputs, nfe: int, generators: Sequence[torch.Generator]) -> Tensor:
        if not self.adopted:
            raise MethodError("method 'requantized' needs a trained regression; call adopt first")
        teacher = self.adopted[0].to(inputs.x1.device)  # it moves with no module tree
        plain = Inputs(inputs.x1, inputs.mask, inputs.extras)
        latent = teacher.resynthesize(plain, nfe, generators)
        if isinstance(latent, Audio):
            raise MethodError(f"method '{teacher.name}' predicts audio, which cannot be quantized")
        return latent


def nearest(latent: Tensor, book: Tensor) -> Tensor:
    """Return for latent (B, F, D) the index (B, F) of the nearest vector in book (K, D)."""
    return (book.square().sum(-1) - 2 * latent @ book.T).argmin(-1)
