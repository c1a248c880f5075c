"""Every installed metric: what it scores does not depend on processes, order, batch or company."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scoring_audio import RATE, noisy, write_folder

from harness.audio import read_audio
from harness.data.embedded import EmbeddedCorpus
from harness.scoring.engine import frame_of, score
from harness.scoring.items import Item, Spec
from harness.scoring.pool import Pool
from metrics import registry

pytestmark = pytest.mark.slow
NAMES = [
    name
    for name, metric in registry.discover().items()
    if metric.facts.kind not in ("latent", "cost") and not metric.optional
]
COUNT = 7  # a batch of four, and one that is not full
# Sums in another order: batched decoding and shared layers round differently.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    folder, corpus = tmp_path_factory.mktemp("prompts"), EmbeddedCorpus()
    rows = [row for row in corpus.split("test") if 2.0 <= row.seconds <= 5.0][:COUNT]
    audio = [read_audio(corpus.read_bytes(row), row.id, RATE)[0] for row in rows]
    write_folder(folder / "references", audio)
    write_folder(folder / "estimates", noisy(audio, 0.003))
    return [
        Item(
            utterance=f"u{n}",
            speaker="s",
            reference=folder / f"references/u{n}.wav",
            estimate=folder / f"estimates/u{n}.wav",
            rate=RATE,
            transcript=row.transcript,
            language=row.language,
        )
        for n, row in enumerate(rows)
    ]


def tables(pool: Pool, items: list[Item], names: list[str]) -> dict[str, pd.DataFrame]:
    found = score(pool, [(Spec(name, {}), items) for name in names], lambda part, own: None)
    return {
        name: frame_of([own.rows[f"u{n}"] for n in range(COUNT)]) for name, own in found.items()
    }


def test_scores_depend_on_the_pair_alone(prompts: list[Item], tmp_path: Path) -> None:
    with Pool(1) as pool:
        alone = {name: tables(pool, prompts, [name])[name] for name in NAMES}
    with Pool(2, tmp_path / "prepared") as pool:
        together = tables(pool, prompts[::-1], NAMES[::-1])
        again = tables(pool, prompts, NAMES)
    for name, table in alone.items():
        assert (table["status"] == "scored").all(), table[["status", "reason"]]
        exact = registry.get(name)().model is None
        for other in (together[name], again[name]):
            np.testing.assert_allclose(
                other["value"], table["value"], rtol=0, atol=0 if exact else TOLERANCE
            )
            assert other["text"].tolist() == table["text"].tolist()
