"""The paper's findings as hypotheses, from what a run has recorded (design, section 8)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.config import load_config
from harness.store import Store

if TYPE_CHECKING:
    from leaderboard.findings_report import Findings


def study_findings(place: Path, store: Path | None, checkpoint: str) -> Findings:
    """Return the findings of a store's only run, or of a configuration's.

    `place` is the store or the configuration, whose own store `store` replaces. Raises UserError
    as `leaderboard.findings_report.findings` does.
    """
    from leaderboard.findings_report import findings

    if (place / "store.json").is_file():
        return findings(Store.open(place), None, checkpoint)
    config = load_config(place)
    return findings(Store.open(store or Path(config.store)), config.name, checkpoint)
