"""What the methods that predict a codebook's vectors share: directions, losses, retrieval.

A predicted vector is compared with a codebook's entries by its angle, so lengths are not learned:
the entry that is retrieved brings its own. Angles need an origin and a scale that are fixed. The
scale is the space's standard deviation, as for every other method. The origin is the centroid of
the codebook's entries, not the space's mean: a finer codebook holds residuals, which scatter about
0, or about the bias of its output projection where a codec has one (DAC), from which angles at 0
would all be alike. Entries that are exactly 0 were never trained (a codec that uses few entries
leaves the others so); they have no direction, are not retrieved, and their frames not trained on.
Shapes: B utterances, F frames, M real frames of a batch, K entries, D dimensions, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.base import LatentSpace


def centred(space: LatentSpace, k: int) -> Tensor:
    """Return codebook k (K, D), scaled, from its centroid; entries that are 0 stay 0.

    It is computed when used, because a space's statistics may be loaded after it is made.
    """
    book = space.codebook(k)
    trained = book.any(-1, keepdim=True)
    scaled = book / space.std
    centroid = (scaled * trained).sum(0) / trained.sum().clamp(min=1)
    return (scaled - centroid) * trained


def contents(space: LatentSpace, k: int) -> Tensor:
    """Return codebook k (K, D) as a network's input: centred, of unit mean square."""
    vectors = centred(space, k)
    trained = vectors.any(-1).sum() * vectors.shape[1]
    return vectors * (trained / vectors.square().sum().clamp(min=1e-12)).sqrt()


def directions(space: LatentSpace, k: int) -> Tensor:
    """Return the unit vectors (K, D) of codebook k; 0 for entries that have no direction."""
    return functional.normalize(centred(space, k), dim=-1)


def cosines(predicted: Tensor, entries: Tensor) -> Tensor:
    """Return the cosines (..., K) of vectors (..., D) with directions (K, D); -inf with none.

    In float32 under autocast too: a temperature near 0.01 would turn rounding into large errors.
    """
    with torch.autocast(predicted.device.type, enabled=False):
        values = functional.normalize(predicted.float(), dim=-1) @ entries.T
    return values.masked_fill(~entries.any(-1), -torch.inf)


def nearest(predicted: Tensor, entries: Tensor, mask: Tensor) -> Tensor:
    """Retrieve the codes (B, F) of the directions nearest to vectors (B, F, D); 0 on padding."""
    return cosines(predicted, entries).argmax(-1) * mask


def cosine_loss(predicted: Tensor, entries: Tensor, codes: Tensor) -> Tensor:
    """Return the mean of 1 - cos of vectors (M, D) with the true directions, codes (M,)."""
    aims = entries[codes]
    kept = aims.any(-1)
    cosine = (functional.normalize(predicted.float(), dim=-1) * aims).sum(-1)
    return ((1 - cosine) * kept).sum() / kept.sum().clamp(min=1)


def contrastive_loss(predicted: Tensor, entries: Tensor, codes: Tensor, scale: Tensor) -> Tensor:
    """Return the symmetric InfoNCE loss in nats of vectors (M, D) with codes (M,), K entries.

    As in CLIP (arXiv 2103.00020) with scale = 1 / temperature, but for what is known here. From a
    frame to the entries, the candidates are the whole codebook, not only what the batch holds.
    From an entry to the frames, several frames may hold it: all are right, and it is to be spread
    evenly over them (SupCon, arXiv 2004.11362, equation 2), so that what is counted is the
    divergence from that even share; 0 is the least in both directions whatever the batch.
    """
    trained = entries.any(-1)
    kept = trained[codes]
    predicted, codes = predicted[kept], (trained.cumsum(0) - 1)[codes[kept]]
    logits = scale * cosines(predicted, entries[trained])
    own = logits.gather(1, codes[:, None])[:, 0]
    to_entries = logits.logsumexp(1) - own
    holders = torch.bincount(codes)[codes]
    to_frames = logits.logsumexp(0)[codes] - own - holders.log()
    return (to_entries + to_frames).sum() / (2 * max(1, len(codes)))


class LayerAttention(nn.Module):
    """Self-attention of each frame over its known layers, then their mean: (B, F, W).

    Queries, keys and values come straight from the vectors, plus what each layer adds to all
    three, so layers are told apart; D being below W, this costs a small part of an encoder layer.
    Even attention makes it the projected sum of the layers over their number: additive aggregation
    is the special case it starts near.
    """

    def __init__(self, dimension: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(dimension, 3 * width, bias=False)
        self.layer = nn.Embedding(layers, 3 * width)

    def forward(self, vectors: Tensor) -> Tensor:
        """Aggregate the vectors (B, F, k, D) of layers 1..k."""
        batch, frames, known, _ = vectors.shape
        joined = self.query_key_value(vectors) + self.layer.weight[:known]
        parts = joined.view(batch * frames, known, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*parts.unbind(0))
        return mixed.mean(2).reshape(batch, frames, -1)
