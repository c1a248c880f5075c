"""The built site: links, escaping, labels, reproducibility, refusals. Data is synthetic."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from site_pages import Page, check_links, pages, text
from synthetic_store import Options, build_store

from harness.errors import UserError
from harness.store import Store
from leaderboard.render import MARKER, publish

HOSTILE = '<script>alert("x")</script>&\'"'
SMALL = Options(sizes=("100%",), metrics=("estoi", "wer", "dnsmos", "pesq"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "site"
    publish(store, out)
    return out


def test_every_link_resolves_inside_the_site(site: Path) -> None:
    assert check_links(site) > 200


def test_pages_hold_to_their_content_security_policy(site: Path) -> None:
    found = list(pages(site))
    assert {path.name for path, _ in found} >= {"index.html", "curves.html", "correlations.html"}
    for path, page in found:
        assert "default-src 'none'" in path.read_text(encoding="utf-8")
        assert page.inline == [], path
        assert page.images_without_alt == 0, path


def test_one_page_per_system_with_audio_beside_the_reference(site: Path) -> None:
    path = site / "systems/bridge-100pct-nfe4.html"
    audio = [url for url in Page(path).urls if url.endswith(".flac")]
    assert len(audio) == 12 * 3  # itself, the reference, coarse
    assert sum("/reference/" in url for url in audio) == 12
    assert "12 of 12" in text(path) and "0123456789abcdef" in text(path)
    assert not list((site / "audio").rglob("*valid*"))


def test_a_single_voice_is_said(site: Path) -> None:
    assert "conditional on this voice (one speaker)" in text(site / "index.html")


def test_several_voices_are_said_instead(tmp_path: Path) -> None:
    options = Options(speakers=4, sizes=("100%",), metrics=("estoi",))
    publish(build_store(tmp_path / "store", options), tmp_path / "site")
    words = text(tmp_path / "site/index.html")
    assert "clustered by speaker (4 speakers, t with 3 degrees of freedom)" in words
    assert "conditional on this voice" not in words


def test_absences_are_told_apart(site: Path) -> None:
    words = text(site / "index.html")
    assert "∞ \N{MULTIPLICATION SIGN}12" in words  # SI-SNR of the reference itself
    assert "1 PESQ (wb) score missing (the recogniser crashed)" in words
    assert "n = 11 of 12 1 n/a" in words


def test_a_fixed_subset_is_said(tmp_path: Path) -> None:
    options = Options(sizes=("100%",), metrics=("estoi", "pesq"), subsets={"pesq": 8})
    publish(build_store(tmp_path / "store", options), tmp_path / "site")
    words = text(tmp_path / "site/index.html")
    assert "n = 8 of 12 fixed subset" in words
    assert words.count("fixed subset") == 1


def test_predicted_mos_is_never_shown_as_mos(site: Path) -> None:
    assert "a model\N{RIGHT SINGLE QUOTATION MARK}s guess" in text(site / "index.html")
    assert "not measured" in text(site / "index.html")
    assert "predicted by a network, not given by listeners" in text(site / "correlations.html")


def test_figures_come_in_both_themes(site: Path) -> None:
    names = {path.name for path in (site / "plots").glob("*.svg")}
    light = {name for name in names if not name.endswith("-dark.svg")}
    assert {name.replace(".svg", "-dark.svg") for name in light} == names - light
    assert any(name.startswith("nfe-bridge-test") for name in light)
    assert any(name.startswith("learning-") for name in light)


def test_two_builds_differ_in_the_declared_date_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = []
    for name, epoch in (("a", "1700000000"), ("b", "1800000000")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        publish(store, tmp_path / name)
        files = (path for path in sorted((tmp_path / name).rglob("*")) if path.is_file())
        builds.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    date = re.compile(rb'<time id="built">[^<]*</time>')
    undated = [{name: date.sub(b"", data) for name, data in build.items()} for build in builds]
    assert undated[0] == undated[1]
    assert builds[0]["index.html"] != builds[1]["index.html"]


def test_hostile_names_are_text(tmp_path: Path) -> None:
    options = Options(
        sizes=("100%",),
        metrics=("estoi", "wer", "pesq", "dnsmos"),
        method_names={"bridge": HOSTILE, "regression": "../../escape $x_{1}$"},
        missing_reason=HOSTILE,
        utterance_prefix=f"../../{HOSTILE}/",
        transcript=HOSTILE,
    )
    site = tmp_path / "site"
    publish(build_store(tmp_path / "store", options), site)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site", "store"]
    for path, page in pages(site):
        assert "<script>alert" not in path.read_text(encoding="utf-8"), path
        assert page.inline == [], path
    assert check_links(site) > 200


def test_an_incomplete_run_shows_what_is_there_and_counts_the_rest(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", Options(sizes=("100%",), unfinished=3))
    store.discard("scores", "score-eval-bridge-100-4-test-estoi")
    store.discard("scores", "score-eval-bridge-100-1-valid-estoi")
    store.discard("evaluations", "eval-codec-none-0-test")
    publish(store, tmp_path / "site")
    words = text(tmp_path / "site/index.html")
    assert "2 of 19 evaluations and 5 of " in words
    assert "not run" in words


def test_audio_the_store_lost_is_said_to_be_missing(store: Store, tmp_path: Path) -> None:
    broken = Store(tmp_path / "store")
    shutil.copytree(store.root, broken.root)
    (broken.folder("evaluations", "eval-bridge-100-4-test") / "3.flac").unlink()
    publish(broken, tmp_path / "site")
    assert "audio is missing" in text(tmp_path / "site/systems/bridge-100pct-nfe4.html")
    lost = "evaluations/eval-bridge-100-4-test/3.flac"
    assert lost in text(tmp_path / "site/index.html")


def test_an_earlier_site_is_replaced_and_anything_else_refused(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", SMALL)
    out = tmp_path / "site"
    publish(store, out)
    (out / "stale.html").write_text("old")
    publish(store, out)
    assert (out / MARKER).is_file() and not (out / "stale.html").exists()
    other = tmp_path / "precious"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="not a site made by resynth"):
        publish(store, other)
    assert (other / "thesis.tex").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious", "site", "store"]


def test_a_failed_build_leaves_the_earlier_site(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", SMALL)
    publish(store, tmp_path / "site")
    before = (tmp_path / "site/index.html").read_text()
    score = store.folder("scores", "score-eval-coarse-none-0-test-estoi") / "table.parquet"
    score.write_bytes(b"not parquet")
    with pytest.raises(UserError, match=r"table\.parquet"):
        publish(store, tmp_path / "site")
    assert (tmp_path / "site/index.html").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site", "store"]


def test_an_empty_store_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        publish(Store.create(tmp_path / "store"), tmp_path / "site")
