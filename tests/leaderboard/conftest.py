"""A module's synthetic store, board and site; its builder importable in any import mode."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.store import Store
from leaderboard.board import Board, load_board
from leaderboard.render import publish

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="module")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The synthetic store of a module's OPTIONS."""
    from synthetic_store import build_store

    return build_store(tmp_path_factory.mktemp("store"), request.module.OPTIONS)


@pytest.fixture(scope="module")
def board(store: Store) -> Board:
    return load_board(store)


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "site"
    publish(store, out)
    return out
