"""The site in a real browser, from file://: sorts, filters, plays audio, asks nothing of a network.

The data is synthetic.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "leaderboard"))
from synthetic_store import Options, build_store

from leaderboard.render import publish

pytestmark = [pytest.mark.slow, pytest.mark.browser]
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    splits = {"test": 12, "test-voices": 6, "valid": 6}
    publish(build_store(folder / "store", Options(splits=splits)), folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        yield instance
        instance.close()


@pytest.fixture(params=["light", "dark"])
def page(browser: Any, site: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme=request.param
    )
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("requestfailed", lambda asked: faults.extend(_failed(asked)))
    page.on("request", lambda asked: faults.extend(_outside(asked.url, site)))
    yield page
    context.close()
    assert faults == []


def _failed(asked: Any) -> list[str]:
    # Leaving a page aborts the images it was still loading; that is no fault of the page.
    return [] if asked.failure == "net::ERR_ABORTED" else [f"{asked.failure}: {asked.url}"]


def _outside(url: str, site: Path) -> list[str]:
    parts = urlsplit(url)
    inside = parts.scheme == "file" and unquote(parts.path).startswith(str(site))
    return [] if inside else [f"external: {url}"]


def wait_until(page: Any, condition: str) -> None:
    """Wait for a JavaScript condition; the page's policy forbids the eval playwright polls by."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never came true: {condition}")


def shown(page: Any, selector: str = "tbody tr:not([hidden])") -> Any:
    return page.locator(f".split:not([hidden]) table.board {selector}")


def slugs(page: Any) -> list[str]:
    return list(shown(page, "tbody tr:not([hidden]) th .slug").all_text_contents())


def numbers(page: Any, key: str) -> list[float]:
    script = """([key]) => {
      const table = document.querySelector('.split:not([hidden]) table.board');
      const at = table.querySelector(`[data-key="${key}"]`).closest('th').cellIndex;
      return [...table.tBodies[0].rows].filter(r => !r.hidden).map(r => r.cells[at].dataset.sort);
    }"""
    return [float(value) for value in page.evaluate(script, [key]) if value]


def test_sorting_is_numeric_both_ways_and_announced(page: Any, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    header = page.locator(".split:not([hidden]) [data-key=si_snr]")
    header.click()
    assert page.locator(".split:not([hidden]) th[aria-sort=descending]").count() == 1
    values = numbers(page, "si_snr")
    assert values[0] == float("inf")
    assert values == sorted(values, reverse=True)
    header.press("Enter")
    assert numbers(page, "si_snr") == sorted(values)
    assert "sort=si_snr&dir=asc" in page.url
    page.locator(".split:not([hidden]) [data-key=wer]").click()  # lower is better: best first
    assert page.locator(".split:not([hidden]) th[aria-sort=ascending]").count() == 1


def test_filters_combine_and_live_in_the_url(page: Any, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    everything = slugs(page)
    page.select_option("select[name=method]", "bridge")
    page.select_option("select[name=data]", "100%")
    assert set(slugs(page)) == {"bridge-100pct-nfe1", "bridge-100pct-nfe4"}
    page.select_option("select[name=nfe]", "4")
    page.locator("input[value=test-voices]").check(force=True)
    assert slugs(page) == ["bridge-100pct-nfe4"]
    assert "1 of" in page.locator("#count").text_content()
    address = page.url
    page.goto((site / "curves.html").as_uri())
    page.goto(address)
    assert slugs(page) == ["bridge-100pct-nfe4"]
    assert page.locator("#split-test").is_hidden()
    page.locator("button[type=reset]").click()
    wait_until(page, "!location.hash")
    assert set(slugs(page)) == set(everything)
    page.fill("input[type=search]", "regression 10pct")
    assert slugs(page) == ["regression-10pct-nfe1"]


def test_a_broken_hash_shows_everything(page: Any, site: Path) -> None:
    page.goto((site / "index.html").as_uri() + "#split=%3Cb%3E&method=nothing&sort=nothing&dir=x")
    assert len(slugs(page)) == 14


def test_audio_plays_and_figures_load(page: Any, site: Path) -> None:
    page.goto((site / "systems/bridge-100pct-nfe4.html").as_uri())
    seconds = page.evaluate(
        """() => new Promise((resolve, reject) => {
          const audio = document.querySelector('audio');
          audio.onloadedmetadata = () => resolve(audio.duration);
          audio.onerror = () => reject(audio.error.message);
          audio.load(); audio.preload = 'auto';
        })"""
    )
    assert seconds == pytest.approx(0.2, abs=0.01)
    page.goto((site / "curves.html").as_uri())
    page.evaluate("document.querySelectorAll('img').forEach(i => { i.loading = 'eager'; })")
    wait_until(page, "[...document.images].every(i => i.complete && i.naturalWidth > 0)")


def test_a_keyboard_reaches_the_content_and_a_phone_needs_no_sideways_scroll(
    page: Any, site: Path
) -> None:
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("index.html", "curves.html", "correlations.html", "systems/copy.html"):
        page.goto((site / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
