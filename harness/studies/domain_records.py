"""What a run record says of the study of domains, between `harness.studies` and the pages."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

KEY = "domains"  # in the configuration that a run record keeps
Kind = Literal[
    "seen voices", "unseen voices", "language", "read speech", "telephone", "conversations"
]


class DomainRecord(BaseModel):
    """One domain as one run evaluated it.

    `voice` is the one voice of the split that the domain is of, left out of this run's training;
    None means all of the split. Of its `voices`, `seen` were heard in training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    kind: Kind
    split: str
    voice: str | None
    voices: int
    seen: int


class AbsentDomain(BaseModel):
    """A domain that was left out, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    kind: Kind
    reason: str


class DomainsRecord(BaseModel):
    """A run's part in a study: `order` lists the labels of all its domains, of every run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    study: str
    title: str
    order: tuple[str, ...]
    domains: tuple[DomainRecord, ...]
    absent: tuple[AbsentDomain, ...]
