"""Reads a built site's pages for the tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

URLS = {"href", "src", "srcset"}


class Page(HTMLParser):
    """Collects URLs, ids and what the site's rules forbid."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.images_without_alt = 0
        self._in_script = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.urls += [value for name, value in attrs if name in URLS and value]
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.inline += [name for name in names if name == "style" or name.startswith("on")]
        self.images_without_alt += tag == "img" and "alt" not in names
        self._in_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False


def pages(site: Path) -> Iterator[tuple[Path, Page]]:
    for path in sorted(site.rglob("*.html")):
        yield path, Page(path)


def text(path: Path) -> str:
    """Return a page's words, with its tags taken out."""
    words = re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8"))
    return " ".join(words.replace("&nbsp;", " ").split())


def check_links(site: Path) -> int:
    """Check that every link leads to a file, and a place in it, of the site; return how many."""
    checked = 0
    for path, page in pages(site):
        assert len(page.ids) == len(set(page.ids)), path
        for url in page.urls:
            parts = urlsplit(url)
            assert not parts.scheme and not parts.netloc, f"{path}: {url} leaves the site"
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_relative_to(site.resolve()) and target.is_file(), f"{path}: {url}"
            if parts.fragment:
                assert parts.fragment in Page(target).ids, f"{path}: {url}"
            checked += 1
    return checked
