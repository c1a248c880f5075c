"""Real speech for the learning tests: latents of the embedded corpus."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from school import School, encode

from harness.data.embedded import EmbeddedCorpus
from methods.base import Backbone


@pytest.fixture(scope="session")
def eight(tmp_path_factory: pytest.TempPathFactory) -> School:
    """Eight short utterances, to be remembered."""
    rows = sorted(EmbeddedCorpus().split("train"), key=lambda row: row.seconds)[:8]
    latents = encode(tmp_path_factory.mktemp("eight"), rows)
    return School(latents, [row.id for row in rows], Backbone(layers=3, width=128))


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> tuple[School, Sequence[str]]:
    """Twelve minutes of speech to learn from, and twelve utterances that are not among them."""
    corpus = EmbeddedCorpus()
    train = sorted(corpus.split("train"), key=lambda row: row.order)[:220]
    valid = [r for r in sorted(corpus.split("valid"), key=lambda row: row.order)][:12]
    latents = encode(tmp_path_factory.mktemp("held-out"), [*train, *valid])
    school = School(latents, [row.id for row in train], Backbone(layers=3, width=128))
    return school, [row.id for row in valid]
