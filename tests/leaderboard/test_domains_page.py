"""The study of domains: orders and intervals on known data, and the page on SYNTHETIC data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from site_pages import Page, check_links, text
from synthetic_options import Options
from synthetic_store import build_store

from harness.records import EvaluatedUtterance, ScoreRecord
from harness.store import Store
from harness.studies.domain_records import KEY, DomainRecord, DomainsRecord
from leaderboard.board import load_board
from leaderboard.domains import Domain, domain_studies
from leaderboard.domains_agreement import Agreement, agreement, kendall
from leaderboard.domains_order import Order, order
from leaderboard.domains_words import ranks, sentence
from leaderboard.metric_keys import MetricKey
from leaderboard.render import publish
from leaderboard.statistics import mean_estimate, ratio_estimate
from leaderboard.systems import Scores

ESTOI = MetricKey("estoi", "ESTOI", "", True, False, False, "reference", "1", "", "", 1.0)
WER = MetricKey("wer", "WER", "", False, True, False, "transcript", "1", "", "", None)
SCORE = ScoreRecord(
    id="s", evaluation="e", metric={}, resampling="", scored=0, not_applicable=0, missing=0, of=0,
    seconds=0.0, versions={},
)  # fmt: skip


def domain(
    values: np.ndarray,
    speakers: Sequence[str],
    split: str = "test",
    metric: MetricKey = ESTOI,
    words: np.ndarray | None = None,
) -> Domain:
    """Return a domain of methods m0, m1, ... with these values (k, n)."""
    part, slash, _ = split.rpartition("/")
    prefix = part + slash
    names = [f"{prefix}{i:03d}" for i in range(values.shape[1])]
    voices = [prefix + speaker for speaker in speakers]
    cache: dict[tuple[str, str], Scores | None] = {}
    for i, row in enumerate(values):
        table = pd.DataFrame({"status": "scored", "value": row, "speaker": voices}, index=names)
        if words is not None:
            table["errors"], table["words"] = row, words
        cache[f"m{i}", metric.name] = Scores(SCORE, table)
    utterances = tuple(
        EvaluatedUtterance(
            id=name, speaker=voice, voice=voice, language="en", seconds=1.0, transcript=None,
            audio="", audio_sha256="", reference_sha256="", synthesis_seconds=1.0,
        )
        for name, voice in zip(names, voices, strict=True)
    )  # fmt: skip
    record = DomainRecord(label=split, kind="language", split=split, voice=None, voices=1, seen=1)
    return Domain(record, utterances, {f"m{i}": [] for i in range(len(values))}, {}, {}, cache)


def ordered(found: Domain, metric: MetricKey = ESTOI) -> Order:
    made = order(found, metric)
    assert made is not None
    return made


def compared(left: Domain, right: Domain) -> Agreement:
    found = agreement(left.label, right.label, order(left, ESTOI), order(right, ESTOI))
    assert isinstance(found, Agreement)
    return found


def test_tau_is_scipys_ties_included() -> None:
    random = np.random.default_rng(0)
    x, y = np.round(random.normal(size=(2, 40, 7)), 1)
    expected = [stats.kendalltau(a, b).statistic for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(kendall(x, y), expected)
    assert math.isnan(kendall(np.ones((1, 4)), y[:1, :4])[0])


def test_rounding_does_not_order() -> None:
    x = np.array([[0.1 + 0.2, 0.3, 1.0]])
    assert kendall(x, np.array([[1.0, 2.0, 3.0]]))[0] == pytest.approx(2 / math.sqrt(6))


@pytest.mark.parametrize("voices", [1, 4, 12])
def test_draws_of_one_mean_have_the_interval_of_the_statistics(voices: int) -> None:
    random = np.random.default_rng(voices)
    speakers = [f"s{i % voices}" for i in range(48)]
    level = random.normal(0, 0.1, size=voices)
    values = np.stack([random.normal(0.5, 0.1, 48) + level[np.arange(48) % voices]] * 2)
    found = ordered(domain(values, speakers))
    expected = mean_estimate(values[0], speakers)
    low, high = np.percentile(found.draws[:, 0], [2.5, 97.5])
    assert found.means[0] == pytest.approx(expected.mean)
    assert high - low == pytest.approx(expected.high - expected.low, rel=0.15)
    assert (low + high) / 2 == pytest.approx(expected.mean, abs=0.1 * (high - low))


def test_error_rates_are_totals() -> None:
    random = np.random.default_rng(1)
    words = random.integers(5, 15, 40)
    errors = random.binomial(words, 0.3, size=(2, 40)).astype(float)
    speakers = [f"s{i % 8}" for i in range(40)]
    found = ordered(domain(errors, speakers, metric=WER, words=words), WER)
    expected = ratio_estimate(errors[0], words, speakers)
    low, high = np.percentile(found.draws[:, 0], [2.5, 97.5])
    assert found.means[0] == pytest.approx(expected.mean)
    assert high - low == pytest.approx(expected.high - expected.low, rel=0.2)


@pytest.mark.parametrize("voices", [1, 6])
def test_the_same_utterances_share_draws_and_others_do_not(voices: int) -> None:
    random = np.random.default_rng(2)
    values = random.normal(0.5, 0.1, size=(3, 30))
    speakers = [f"s{i % voices}" for i in range(30)]
    here, phone = domain(values, speakers), domain(values, speakers, "telephone/test")
    np.testing.assert_array_equal(ordered(here).draws, ordered(phone).draws)
    other = ordered(domain(values, [f"t{i % (voices + 1)}" for i in range(30)])).draws
    assert abs(np.corrcoef(ordered(here).draws[:, 0], other[:, 0])[0, 1]) < 0.1


def made(
    random: np.random.Generator, means: Sequence[float], split: str, noise: float = 0.05
) -> Domain:
    """Return a domain of 8 speakers with 5 utterances each, and what is hard for all methods."""
    hard = random.normal(0, 0.1, 8)[np.arange(40) % 8] + random.normal(0, 0.1, 40)
    values = np.asarray(means)[:, None] + hard + random.normal(0, noise, (len(means), 40))
    return domain(values, [f"{split}{i % 8}" for i in range(40)], split)


def test_an_ordering_that_holds_and_one_that_changes() -> None:
    random = np.random.default_rng(3)
    means = [0.5, 0.6, 0.7, 0.8, 0.9]
    left = made(random, means, "a/x")
    same = compared(left, made(random, means, "b/x"))
    assert (same.tau, same.verdict, same.same) == (1.0, "holds", 10)
    swapped = compared(left, made(random, [0.5, 0.6, 0.9, 0.8, 0.7], "b/x"))
    assert swapped.verdict == "changes" and swapped.swapped == 3
    assert set(swapped.reversed) == {("m4", "m2"), ("m4", "m3"), ("m3", "m2")}
    assert "m4 is better than m2 in a/x, worse in b/x" in sentence(swapped)
    turned = compared(left, made(random, means[::-1], "b/x"))
    assert (turned.tau, turned.verdict) == (-1.0, "changes") and turned.high < 0


def test_methods_alike_are_no_evidence_either_way() -> None:
    random, verdicts = np.random.default_rng(4), []
    for _ in range(40):
        pair = [made(random, [0.7] * 4, split) for split in ("a/x", "b/x")]
        found = compared(*pair)
        assert found.low <= found.tau <= found.high
        verdicts.append(found.verdict)
    assert verdicts.count("changes") <= 2 and verdicts.count("holds") <= 2


def test_the_interval_covers_tau() -> None:
    random, hits, trials = np.random.default_rng(5), 0, 60
    means = [[0.50, 0.55, 0.60, 0.65, 0.70], [0.50, 0.60, 0.55, 0.70, 0.65]]
    truth = stats.kendalltau(*means).statistic
    for _ in range(trials):
        found = compared(*(made(random, m, s) for m, s in zip(means, ("a/x", "b/x"), strict=True)))
        hits += found.low <= truth <= found.high
    assert hits / trials > 0.9


def test_what_cannot_be_compared_says_why() -> None:
    random = np.random.default_rng(6)
    left, right = (made(random, [0.5, 0.7], split) for split in ("a/x", "b/x"))
    found = agreement("a", "b", order(left, ESTOI), order(right, ESTOI))
    assert found == "too few methods: 2 in both, 3 are needed"
    assert order(left, WER) is None
    assert agreement("a", "b", None, order(right, ESTOI)) == "not applicable: no scores in a"


def test_a_rank_comes_with_the_ranks_that_tests_leave_open() -> None:
    random = np.random.default_rng(7)
    found = ordered(made(random, [0.5, 0.7, 0.7, 0.9], "a/x"))
    assert ranks(found, "m3", True) == (1, 1, 1) and ranks(found, "m0", True) == (4, 4, 4)
    assert {ranks(found, label, True)[1:] for label in ("m1", "m2")} == {(2, 3)}
    reverse = ordered(domain(np.array([[0.1] * 9, [0.2] * 9]), ["s"] * 9))
    assert ranks(reverse, "m0", False)[0] == 1


def record(**changes: object) -> DomainsRecord:
    """Return a study of three splits, one of them left out."""
    listed = [("seen", "seen voices", "test"), ("far", "language", "far"),
              ("phone", "telephone", "phone")]  # fmt: skip
    return DomainsRecord.model_validate(
        {
            "study": "synthetic",
            "title": "SYNTHETIC domains",
            "order": [label for label, _, _ in listed],
            "domains": [
                {"label": label, "kind": kind, "split": split, "voice": None,
                 "voices": 3, "seen": 2}
                for label, kind, split in listed
            ],
            "absent": [
                {"label": "calls", "kind": "conversations", "reason": "no audio of calls here"}
            ],
            **changes,
        }
    )  # fmt: skip


def studied(store: Store, found: DomainsRecord) -> Store:
    """Make a synthetic store's run part of a study."""
    (run,) = store.runs()
    config = {**run.config, KEY: found.model_dump(mode="json")}
    store.replace(run.model_copy(update={"config": config}))
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store where regression and the bridge fall to the bottom of the split `far`, by ESTOI."""
    options = Options(
        splits={"test": 24, "far": 24, "phone": 24, "valid": 6}, speakers=6,
        methods={"coarse_to_fine": 0.50, "parallel_tokens": 0.55, "regression": 0.65,
                 "bridge": 0.7},
        metrics=("estoi", "pesq", "wer", "si_snr"), sizes=("10%", "100%"),
    )  # fmt: skip
    made = build_store(tmp_path_factory.mktemp("store"), options)
    for name in made.finished("scores"):
        path = made.folder("scores", name) / "table.parquet"
        table = pd.read_parquet(path)
        if "-far-" in name and name.endswith("-estoi"):
            table["value"] -= 0.4 * ("regression" in name or "bridge" in name)
        if "-far-" in name and name.endswith("-wer"):
            table = table.assign(status="not applicable", reason="not English")
            table[["value", "errors", "words"]] = None
        table.to_parquet(path, index=False)
    return studied(made, record())


def test_methods_enter_on_most_data_at_the_chosen_nfe(store: Store) -> None:
    (study,) = domain_studies(load_board(store))
    assert [found.label for found in study.domains] == ["seen", "far", "phone"]
    assert study.methods == ["bridge", "coarse_to_fine", "parallel_tokens", "regression"]
    assert {"copy", "prequantized", "codec", "coarse"} == set(study.anchors)
    for found in study.domains:
        for systems in found.methods.values():
            (system,) = systems
            assert system.data_label == "100%"


def test_the_page_shows_domains_ranks_and_verdicts(site: Path) -> None:
    assert check_links(site) > 100
    words = text(site / "domains.html")
    assert "Left out, for want of audio: calls (no audio of calls here)" in words
    assert "With 4 methods τ is coarse: one swapped pair moves it by 0.33" in words
    assert "ESTOI: of 3 pairs of domains the ordering holds in 1, changes in 2." in words
    assert "The ordering changes:" in words and "regression is better than coarse_to_fine" in words
    assert "The ordering holds: 6 of 6 pairs of methods come out alike" in words
    assert (
        "WER: of 3 pairs of domains the ordering" in words and "cannot be compared in 2." in words
    )
    assert "Not applicable: no scores in far." in words and "rank 1" in words
    assert "300–3400 Hz" in words and "2 of 3" in words
    assert "domains.html" in Page(site / "index.html").urls
    assert "../domains.html" in Page(site / "systems/copy.html").urls


def test_every_value_is_in_the_table(site: Path) -> None:
    table = pd.read_csv(site / "data/domains.csv")
    taus = table.query("quantity == 'tau' and metric == 'estoi'").set_index(["domain", "other"])
    assert taus.loc[("seen", "phone"), "verdict"] == "holds"
    far = taus.query("domain == 'seen' and other == 'far'")
    assert far[["same", "swapped", "methods"]].to_numpy().tolist() == [[2, 4, 4]]
    scores = table.query("quantity == 'score' and metric == 'wer' and domain == 'far'")
    assert (scores["n"] == 0).all() and (scores["n_not_applicable"] == 24).all()
    ranked = table.query("quantity == 'score' and metric == 'estoi' and domain == 'seen'")
    assert sorted(ranked["rank"].dropna()) == [1, 2, 3, 4]
    assert ranked.query("anchor")["rank"].isna().all()


def test_a_left_out_voice_is_that_voice_alone(tmp_path: Path) -> None:
    options = Options(splits={"test": 12, "valid": 4}, speakers=3, metrics=("estoi",))
    listed = [
        {"label": "seen", "kind": "seen voices", "split": "test", "voice": None, "voices": 3,
         "seen": 3},
        {"label": "new", "kind": "unseen voices", "split": "test", "voice": "speaker1",
         "voices": 1, "seen": 0},
    ]  # fmt: skip
    found = record(domains=listed, order=["seen", "new"], absent=[])
    made = studied(build_store(tmp_path / "store", options), found)
    publish(made, tmp_path / "site")
    (study,) = domain_studies(load_board(made))
    new = study.domains[1]
    assert {u.speaker for u in new.utterances} == {"speaker1"} and len(new.utterances) == 4
    words = text(tmp_path / "site/domains.html")
    assert "voice speaker1 alone: systems trained without it" in words
    assert "intervals are conditional on this voice" in words and "Left out" not in words


def test_seeds_are_pooled(tmp_path: Path) -> None:
    options = Options(
        splits={"test": 12, "valid": 4}, speakers=3, metrics=("estoi",), seeds=(0, 1, 2),
        sizes=("100%",), nfes=(1,),
    )  # fmt: skip
    made = studied(build_store(tmp_path / "store", options), record())
    board = load_board(made)
    (study,) = domain_studies(board)
    (found,) = study.domains  # the other splits are not in this store
    systems = found.methods["regression"]
    estoi = next(metric for metric in board.metrics if metric.name == "estoi")
    pooled = found.scores("regression", estoi)
    assert len(systems) == 3 and pooled is not None and len(pooled.scored) == 12
    each = [s.scores[("test", "estoi")].scored["value"].mean() for s in systems]
    assert pooled.scored["value"].mean() == pytest.approx(np.mean(each))


def test_without_a_study_there_is_no_page(tmp_path: Path) -> None:
    options = Options(splits={"test": 4, "valid": 4}, sizes=("100%",), metrics=("estoi",))
    publish(build_store(tmp_path / "store", options), tmp_path / "site")
    assert not (tmp_path / "site/domains.html").exists()
    assert "domains.html" not in Page(tmp_path / "site/index.html").urls
