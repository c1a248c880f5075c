"""Downloads from a server on this machine: whole, cut, resumed, wrong, unsafe, unreachable."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from harness.data.fetch import MD5, Archive, fetch, find_archive
from harness.data.librispeech import LibriSpeechCorpus
from harness.errors import UserError

MakeAudio = Callable[..., Path]
SUBSET = Path("LibriSpeech/dev-clean")


@dataclass
class Site:
    """What the server serves, how it fails, and what it was asked."""

    data: bytes = b""
    cuts: list[int] = field(default_factory=list)  # bytes sent before each cut, request by request
    ranges: bool = True
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server that understands Range and can cut connections."""
    monkeypatch.setenv("no_proxy", "*")
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            start = int(re.findall(r"\d+", wanted)[0]) if wanted and state.ranges else 0
            if state.status != 200 or (start and start >= len(state.data)):
                self.send_error(state.status if state.status != 200 else 416)
                return
            body, total = state.data[start:], len(state.data)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cuts.pop(0)] if state.cuts else body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/dev-clean.tar.gz"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def packed(tmp_path: Path, make_audio: MakeAudio) -> bytes:
    """A tiny archive laid out like LibriSpeech's."""
    source = tmp_path / "source"
    make_audio(source / SUBSET / "1/2/1-2-0000.flac", seconds=3.0)
    (source / SUBSET / "1/2/1-2.trans.txt").write_text("1-2-0000 HELLO\n")
    (source / "LibriSpeech/LICENSE.TXT").write_text("CC BY 4.0")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(source / "LibriSpeech", "LibriSpeech")
    return buffer.getvalue()


def run(site: Site, root: Path, data: bytes | None = None, console: Console | None = None) -> Path:
    md5 = hashlib.md5(site.data if data is None else data).hexdigest()
    quiet = console or Console(file=io.StringIO())
    return fetch(Archive(site.url, md5, SUBSET), root, quiet)


def test_whole(site: Site, packed: bytes, tmp_path: Path) -> None:
    site.data = packed
    screen = io.StringIO()
    assert run(site, tmp_path / "out", console=Console(file=screen)) == tmp_path / "out/dev-clean"
    (row,) = LibriSpeechCorpus(tmp_path / "out").split("dev-clean")
    assert row.transcript == "HELLO"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "LICENSE.TXT",
        "dev-clean",
    ]
    assert "dev-clean: download" in screen.getvalue()


def test_nothing_is_asked_for_twice(site: Site, packed: bytes, tmp_path: Path) -> None:
    site.data = packed
    run(site, tmp_path / "out")
    run(site, tmp_path / "out")
    assert site.asked == [None]


def test_cut_connections_are_taken_up_again(site: Site, packed: bytes, tmp_path: Path) -> None:
    site.data, site.cuts = packed, [1000, 500]
    run(site, tmp_path / "out")
    assert site.asked == [None, "bytes=1000-", "bytes=1500-"]


def test_a_later_run_continues(site: Site, packed: bytes, tmp_path: Path) -> None:
    site.data, site.cuts = packed, [1000, 0]
    part = tmp_path / "out/dev-clean.tar.gz.part"
    with pytest.raises(UserError, match=r"ended after 1000 of \d+ bytes.*1000 bytes are kept"):
        run(site, tmp_path / "out")
    assert part.read_bytes() == packed[:1000]
    run(site, tmp_path / "out")
    assert site.asked[-1] == "bytes=1000-"
    assert (tmp_path / "out/dev-clean").is_dir()
    assert not part.exists()


def test_complete_part_is_only_checked(site: Site, packed: bytes, tmp_path: Path) -> None:
    site.data = packed
    (tmp_path / "out").mkdir()
    (tmp_path / "out/dev-clean.tar.gz.part").write_bytes(packed)
    assert run(site, tmp_path / "out").is_dir()
    assert site.asked == [f"bytes={len(packed)}-"]


def test_server_without_ranges(site: Site, packed: bytes, tmp_path: Path) -> None:
    site.data, site.ranges = packed, False
    (tmp_path / "out").mkdir()
    (tmp_path / "out/dev-clean.tar.gz.part").write_bytes(packed[:1000])
    assert run(site, tmp_path / "out").is_dir()


def test_wrong_checksum(site: Site, packed: bytes, tmp_path: Path) -> None:
    site.data = packed
    with pytest.raises(UserError, match=r"has MD5 \w{32}, its publisher says \w{32}; it was remov"):
        run(site, tmp_path / "out", data=b"other")
    assert list((tmp_path / "out").iterdir()) == []


def test_no_network(site: Site, packed: bytes, tmp_path: Path) -> None:
    archive = Archive("http://127.0.0.1:9/dev-clean.tar.gz", "0" * 32, SUBSET)
    with pytest.raises(UserError, match=r"cannot be downloaded \(.*refused.*check the network"):
        fetch(archive, tmp_path / "out", Console(file=io.StringIO()))


def test_server_refuses(site: Site, tmp_path: Path) -> None:
    site.status = 404
    with pytest.raises(UserError, match="the server answers 404 Not Found"):
        run(site, tmp_path / "out")


def test_no_space(
    site: Site, packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    site.data = packed
    with pytest.raises(UserError, match=r"bytes are needed for .* fewer are free"):
        run(site, tmp_path / "out")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_disk_that_fills_up(site: Site, packed: bytes, tmp_path: Path) -> None:
    site.data = packed
    (tmp_path / "out").mkdir()
    (tmp_path / "out/dev-clean.tar.gz.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot be written .No space left on device"):
        run(site, tmp_path / "out")


def test_root_is_a_file(site: Site, packed: bytes, tmp_path: Path) -> None:
    site.data = packed
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(UserError, match="out: cannot be written"):
        run(site, tmp_path / "out")


def test_unsafe_archive(site: Site, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../evil"), io.BytesIO())
    site.data = buffer.getvalue()
    with pytest.raises(UserError, match="cannot be unpacked safely"):
        run(site, tmp_path / "out")
    assert not (tmp_path / "evil").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dev-clean.tar.gz.part"]


def test_archive_of_something_else(site: Site, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("notes.txt"), io.BytesIO())
    site.data = buffer.getvalue()
    with pytest.raises(UserError, match="holds no folder LibriSpeech/dev-clean"):
        run(site, tmp_path / "out")


def test_official_archives() -> None:
    speech = find_archive("librispeech", "train-clean-100")
    assert speech.url == "https://www.openslr.org/resources/12/train-clean-100.tar.gz"
    assert speech.folder == Path("LibriSpeech/train-clean-100")
    light = find_archive("librilight", "small")
    assert light.url == "https://dl.fbaipublicfiles.com/librilight/data/small.tar"
    assert light.folder == Path("small")
    sums = [md5 for table in MD5.values() for md5 in table.values()]
    assert len(set(sums)) == 10
    assert all(re.fullmatch(r"[0-9a-f]{32}", md5) for md5 in sums)


@pytest.mark.parametrize(
    ("kind", "subset", "message"),
    [
        ("librispech", "dev-clean", "did you mean 'librispeech'"),
        ("librispeech", "dev-clear", "no subset 'dev-clear'; did you mean 'dev-clean'"),
    ],
)
def test_unknown_archives(kind: str, subset: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_archive(kind, subset)
