"""The claims F1 to F4 (design, section 8) and the open question, as contrasts of cells."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from leaderboard.findings import Cell, Cells, Contrast, Term
from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import holm, slope_weights

TITLES = {
    "F1": "Predicting z beats predicting tokens",
    "F2": "One-step regression has the best content and the worst MOS; the bridge the best MOS",
    "F3": "With little data one-step regression loses most",
    "F4": "More function evaluations trade content against quality",
    "open": "The hybrid keeps content and speaker at once: no worse than either parent",
}
QUALITY = ("visqol", "estoi", "speaker_similarity", "pesq", "dnsmos")
CONTENT = ("wer", "dwer")
LITTLE = "10%"


@dataclass(frozen=True)
class Roles:
    """The cells that the claims name, on the most data; None for those the run does not have."""

    z: Cell | None
    embedding: Cell | None
    coarse_to_fine: Cell | None
    parallel: Cell | None
    bridge: Cell | None
    others: tuple[Cell, ...]


def roles(cells: Cells, checkpoint: str) -> Roles:
    """Find who plays which part: of several variants, the first on the board.

    Methods of any NFE enter at their chosen one; the bridge is the stochastic one.
    """
    found = cells.methods(checkpoint)
    bridge = first(found, "bridge", deterministic=False)
    chosen = {cell: cells.chosen(cell) for cell in found}
    z = first(found, "regression", target="z")
    listed = [chosen[cell] for cell in found if cell != z]
    return Roles(
        z=z,
        embedding=first(found, "regression", target="embedding"),
        coarse_to_fine=first(found, "coarse_to_fine"),
        parallel=first(found, "parallel_tokens"),
        bridge=chosen[bridge] if bridge else None,
        others=tuple(cell for cell in listed if cell),
    )


def first(cells: Iterable[Cell], name: str, **params: object) -> Cell | None:
    """Return the first cell of a method with these parameters."""
    for cell in cells:
        own = json.loads(cell.params)["params"]
        if cell.name == name and all(own.get(key) == value for key, value in params.items()):
            return cell
    return None


def contrasts(cells: Cells, checkpoint: str) -> list[Contrast]:
    """Return every contrast of every finding; each finding is one Holm family."""
    cast = roles(cells, checkpoint)
    found = [*first_finding(cells, cast, checkpoint), *second_finding(cells, cast, checkpoint)]
    found += third_finding(cells)
    found += fourth_finding(cells, cast, checkpoint)
    found += open_question(cells, cast, checkpoint)
    return [one for name in TITLES for one in corrected([c for c in found if c.finding == name])]


def corrected(family: Sequence[Contrast]) -> list[Contrast]:
    """Return one family of contrasts with Holm's p."""
    p = holm([one.difference.p if one.difference else math.nan for one in family])
    return [replace(one, p_holm=value) for one, value in zip(family, p, strict=True)]


def first_finding(cells: Cells, cast: Roles, checkpoint: str) -> Iterator[Contrast]:
    """Regression to z minus what predicts tokens, or their embedding, in quality."""
    for name, other in (
        ("parallel_tokens", cast.parallel),
        ("coarse_to_fine", cast.coarse_to_fine),
        ("regression to the embedding", cast.embedding),
    ):
        claim = Claim("F1", f"regression to z - {name}", checkpoint)
        yield from weighed(cells, claim, [(1.0, cast.z), (-1.0, other)], QUALITY)
        yield claim.of_listeners(1)


def second_finding(cells: Cells, cast: Roles, checkpoint: str) -> Iterator[Contrast]:
    """Regression to z minus each other method in errors; in MOS it and the bridge."""
    for other in cast.others:
        claim = Claim("F2", f"regression to z - {other.label}", checkpoint)
        yield from weighed(cells, claim, [(1.0, cast.z), (-1.0, other)], CONTENT)
    yield Claim("F2", "regression to z - each other method", checkpoint).of_listeners(-1)
    yield Claim("F2", "bridge - each other method", checkpoint).of_listeners(1)


def third_finding(cells: Cells) -> Iterator[Contrast]:
    """What more data gives regression to z, minus what it gives others: last and best weights."""
    for checkpoint in sorted({cell.checkpoint for cell in cells.cells}, reverse=True):
        cast = roles(cells, checkpoint)
        for name, other in (("coarse_to_fine", cast.coarse_to_fine), ("bridge", cast.bridge)):
            claim = Claim("F3", f"gain from data: regression to z - {name}", checkpoint)
            terms = [*gain(cells, cast.z, 1.0), *gain(cells, other, -1.0)]
            yield from weighed(cells, claim, terms, (*CONTENT, *QUALITY))


def gain(cells: Cells, cell: Cell | None, sign: float) -> list[Term]:
    """Return a method on the most data minus itself on little; the bridge at its NFE for each."""
    little = replace(cell, size=LITTLE) if cell else None
    if little and little.name == "bridge":
        little = cells.chosen(little)
    return [(sign, cell), (-sign, little)]


def fourth_finding(cells: Cells, cast: Roles, checkpoint: str) -> Iterator[Contrast]:
    """Slopes of the bridge over log2 NFE: errors should rise, and quality too."""
    claim = Claim("F4", "slope per doubling of NFE: bridge", checkpoint)
    steps = cells.nfes(cast.bridge) if cast.bridge else []
    terms: list[Term] = [(1.0, None)]
    if len(steps) > 1:
        weights = slope_weights([math.log2(cell.nfe) for cell in steps])
        terms = [(float(weight), cell) for weight, cell in zip(weights, steps, strict=True)]
    for errors in weighed(cells, claim, terms, CONTENT):
        yield replace(errors, claimed=-errors.claimed)
    yield from weighed(cells, claim, terms, QUALITY)
    yield claim.of_listeners(1)


def open_question(cells: Cells, cast: Roles, checkpoint: str) -> Iterator[Contrast]:
    """The hybrid minus each of its parents, in content and in speaker similarity."""
    hybrid = first(cast.others, "hybrid")
    if hybrid is None:
        return
    for name, parent in (("regression to z", cast.z), ("bridge", cast.bridge)):
        claim = Claim("open", f"hybrid - {name}", checkpoint)
        terms = [(1.0, hybrid), (-1.0, parent)]
        yield from weighed(cells, claim, terms, (*CONTENT, *QUALITY))


@dataclass(frozen=True)
class Claim:
    """What is contrasted, for which finding, with which weights."""

    finding: str
    title: str
    checkpoint: str

    def of_listeners(self, claimed: int) -> Contrast:
        """Return what is claimed of MOS, which no run measures."""
        return Contrast(self.finding, self.title, "MOS", "MOS", self.checkpoint, claimed, None)


def weighed(
    cells: Cells, claim: Claim, terms: Sequence[Term], names: Sequence[str]
) -> Iterator[Contrast]:
    """Return the weighted sum of cells by each named metric, claimed to be on the better side."""
    for metric in metrics(cells, names):
        difference, by_seed = cells.sum(terms, metric)
        yield Contrast(
            claim.finding,
            claim.title,
            metric.label,
            metric.unit,
            claim.checkpoint,
            1 if metric.higher_is_better else -1,
            difference,
            by_seed,
        )


def metrics(cells: Cells, names: Sequence[str]) -> list[MetricKey]:
    """Return the split's metrics of these names, in their order."""
    there = cells.board.metrics_of(cells.split)
    return [m for name in names for m in there if m.name.partition("@")[0] == name]
