"""Systems: what one leaderboard row is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from harness.records import EvaluationRecord, ScoreRecord, TrialRecord
from leaderboard.codecs import bit_rate, is_partial
from leaderboard.details import Detail
from leaderboard.metric_keys import MetricKey
from leaderboard.statistics import Estimate


@dataclass(frozen=True)
class Scores:
    """One metric over one evaluation: the record, and its rows indexed by utterance.

    `estimates` keeps what was estimated of it, as a mean (False) or a ratio (True).
    """

    record: ScoreRecord
    table: pd.DataFrame
    estimates: dict[bool, Estimate | None] = field(default_factory=dict)

    @cached_property
    def scored(self) -> pd.DataFrame:
        """The rows that hold a value."""
        return self.table[self.table["status"] == "scored"]

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Every row by its utterance."""
        return {str(row["utterance"]): row for row in _row_dicts(self.table.reset_index())}

    def count(self, status: str) -> int:
        """Return how many rows have the status."""
        return self._statuses[status]

    @cached_property
    def _statuses(self) -> Counter[str]:
        return Counter(self.table["status"])


class Network(NamedTuple):
    """Trained weights as one method uses them; what is chosen or swept is chosen for one network.

    A trial has several: its last and best checkpoints, and those of methods that borrow it.
    """

    trial: str
    family: str
    checkpoint: str


@dataclass
class System:
    """What one leaderboard row is: a method on a codec, as trained once, at one NFE.

    `codec` is the name to show (unique on the board); `details` say what sets it apart from other
    systems of its method and variant.
    """

    slug: str
    evaluations: dict[str, EvaluationRecord]
    trial: TrialRecord | None
    codec: str
    details: tuple[Detail, ...] = ()
    scores: dict[tuple[str, str], Scores] = field(default_factory=dict)

    @property
    def any(self) -> EvaluationRecord:
        """One of its evaluations, for the facts they all share."""
        return next(iter(self.evaluations.values()))

    @property
    def anchor(self) -> bool:
        """Whether it is a non-trained system that bounds the scale."""
        return self.any.method.kind == "anchor"

    @property
    def codec_free(self) -> bool:
        """Whether it would be the same beside every codec."""
        return self.any.method.ignores_codec

    @property
    def partial(self) -> bool:
        """Whether it decodes fewer codes than its codec has."""
        return is_partial(self.any)

    @property
    def bit_rate(self) -> float:
        """The bit rate it stands for, in bits per second (see `codecs.bit_rate`)."""
        return bit_rate(self.any)

    @property
    def label(self) -> str:
        """Its method, variant and details."""
        return self._named(self.details)

    @property
    def family(self) -> str:
        """Its label without checkpoint and layers: what is one method, used in several ways."""
        return self._named(tuple(detail for detail in self.details if detail.of_method))

    def _named(self, details: tuple[Detail, ...]) -> str:
        method = self.any.method
        words = [method.variant] if method.variant else []
        words += [detail.label for detail in details]
        return f"{method.name} ({', '.join(words)})" if words else method.name

    @property
    def network(self) -> Network | None:
        """The trained weights it uses; None for what trains nothing."""
        if self.trial is None:
            return None
        return Network(self.trial.id, self.family, self.any.checkpoint or "")

    @property
    def layers(self) -> int:
        """How many codes it decodes: all N unless it was asked for the first few."""
        return self.any.layers or self.any.codec.codebooks

    @property
    def hours(self) -> float:
        """Its hours of training audio; 0 for anchors."""
        return self.any.data_size.hours if self.any.data_size else 0.0

    @property
    def data_label(self) -> str:
        """Its data size, as the configuration calls it; empty for anchors."""
        return self.any.data_size.label if self.any.data_size else ""

    def scores_of(self, split: str, metric: MetricKey) -> Scores | None:
        """Return its scores on a split by a metric, if they exist."""
        return self.scores.get((split, metric.name))


def _row_dicts(table: pd.DataFrame) -> list[dict[str, Any]]:
    names = [str(name) for name in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.itertuples(index=False)]
