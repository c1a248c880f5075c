"""The shared encoder's FLOPs and parameters, worked out without torch.

A multiply-add counts as two. A training step costs the encoder's forward pass over the batch times
the method's declared `passes`; the softmax heads of a token method count as its output.
"""

from __future__ import annotations

from harness.records import CodecFacts
from methods.declaration import Declaration
from methods.params import Backbone


def step_flops(
    backbone: Backbone, method: Declaration, facts: CodecFacts, batch: int, frames: int
) -> float:
    """Return the FLOPs of one training step over `batch` crops of `frames` frames."""
    forward = frame_flops(backbone, frames, facts.dimension, output_width(method, facts))
    return method.passes * forward * batch * frames


def frame_flops(backbone: Backbone, frames: int, inputs: int, outputs: int) -> float:
    """Return one frame's share of the encoder's forward pass: its matrix products.

    Per layer W x (4 + 2m)W weights (m the feed-forward multiple) and attention over `frames`.
    """
    width = backbone.width
    layer = 2 * (4 + 2 * backbone.feed_forward) * width**2 + 4 * frames * width
    return float(backbone.layers * layer + 2 * width * (inputs + outputs))


def output_width(method: Declaration, facts: CodecFacts) -> int:
    """Return how many numbers a pass gives per frame: a latent, or the scores of codebooks 2..N.

    A method that predicts one codebook a call has one head at work in a step.
    """
    if method.target != "codes":
        return facts.dimension
    return max(facts.sizes[1:]) if method.nfe == "N-1" else sum(facts.sizes[1:])


def encoder_parameters(backbone: Backbone, dimension: int) -> int:
    """Return the parameters of the shared encoder from D to D, unconditioned."""
    width, multiple = backbone.width, backbone.feed_forward
    layer = (4 + 2 * multiple) * width**2 + (9 + multiple) * width
    return backbone.layers * layer + 2 * width * dimension + dimension + 3 * width
