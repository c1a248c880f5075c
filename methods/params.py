"""The torch-free half of the method contract, so that planning a run never imports torch."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class MethodError(ValueError):
    """A method was asked for something it does not do; the message says what and where."""


class Params(BaseModel):
    """Base of every method's parameters: typed, frozen, unknown names and other types refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Backbone(Params):
    """Size of the shared Transformer encoder; the paper's is 12 layers.

    `feed_forward` is the hidden layer's width in multiples of `width`. Raises ValueError (from
    pydantic) unless the width splits into heads of an even size, which rotary positions need.
    """

    layers: Annotated[int, Field(ge=1)] = 3
    width: Annotated[int, Field(ge=2)] = 192
    heads: Annotated[int, Field(ge=1)] = 4
    feed_forward: Annotated[int, Field(ge=1)] = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _heads_are_even(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} is not a multiple of twice the {self.heads} heads"
            )
        return self


def supports_nfe(declared: int | str, nfe: int, codebooks: int) -> bool:
    """Whether a method declaring `declared` (an int, "any" or "N-1") can make `nfe` calls.

    `codebooks` is how many are to be decoded from: N, or the number of layers asked for.
    """
    if declared == "any":
        return nfe >= 1
    return nfe == (codebooks - 1 if declared == "N-1" else declared)


def check_nfe(name: str, declared: int | str, nfe: int, codebooks: int) -> None:
    """Raise MethodError unless method `name`, declaring `declared`, supports `nfe` calls."""
    if not supports_nfe(declared, nfe, codebooks):
        wanted = {"any": "at least 1", "N-1": f"{codebooks - 1} (layers minus one)"}
        raise MethodError(
            f"method '{name}' does not support NFE {nfe}; use {wanted.get(str(declared), declared)}"
        )
