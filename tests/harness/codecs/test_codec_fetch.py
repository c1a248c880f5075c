"""`codec fetch` through the hub's own client, against a hub on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from harness.codecs.catalog import codec_facts, family_of
from harness.config import CodecConfig
from harness.errors import UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = CodecConfig(name="mimi")


class Hub(BaseHTTPRequestHandler):
    """The two requests the client makes for a file, as huggingface.co answers them."""

    folder: Path
    lie = False

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        self.answer(self.content())

    def content(self) -> bytes:
        content = (self.folder / self.path.rpartition("/")[2]).read_bytes()
        return content[:-1] + b"!" if self.lie and "safetensors" in self.path else content

    def answer(self, body: bytes) -> None:
        name = self.path.rpartition("/")[2]
        if "kyutai/mimi" not in self.path or not (self.folder / name).is_file():
            self.send_error(404)
            return
        published = (self.folder / name).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(published)))
        self.send_header("ETag", f'"{hashlib.sha256(published).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def answer_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the client, which reads its address when it is imported, at this machine."""
    address = f"http://127.0.0.1:{port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    pattern = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)


@pytest.fixture
def hub(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[Hub]]:
    handler = type("Serving", (Hub,), {"folder": saved["mimi"]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    answer_at(server.server_port, monkeypatch)
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_fetches_into_the_cache_where_the_codec_looks(
    hub: type[Hub], saved: dict[str, Path]
) -> None:
    seen: list[tuple[int, int | None]] = []
    folder = family_of(CONFIG).fetch(CONFIG, lambda have, total: seen.append((have, total)))
    assert folder.name == COMMIT
    size = (saved["mimi"] / "model.safetensors").stat().st_size
    assert seen[-1] == (size, size)
    given = CodecConfig(name="mimi", weights=str(saved["mimi"]))
    assert codec_facts(CONFIG) == codec_facts(given)


def test_what_differs_from_the_published_hash_is_refused(hub: type[Hub]) -> None:
    hub.lie = True
    with pytest.raises(UserError, match=r"model\.safetensors: .*the published weights'"):
        family_of(CONFIG).fetch(CONFIG, lambda have, total: None)
    with pytest.raises(UserError, match=r"model\.safetensors: .*the published weights'"):
        codec_facts(CONFIG)


def test_a_repository_that_is_gone_is_one_sentence(hub: type[Hub], tmp_path: Path) -> None:
    hub.folder = tmp_path
    with pytest.raises(UserError, match=r"kyutai/mimi: config\.json cannot be downloaded \("):
        family_of(CONFIG).fetch(CONFIG, lambda have, total: None)


def test_a_client_that_may_not_use_the_network_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"cannot be downloaded .*check the network, or give"):
        family_of(CONFIG).fetch(CONFIG, lambda have, total: None)


@pytest.mark.slow  # the client tries for 20 seconds
def test_a_network_that_fails_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    answer_at(9, monkeypatch)
    with pytest.raises(UserError, match=r"cannot be downloaded .*check the network, or give"):
        family_of(CONFIG).fetch(CONFIG, lambda have, total: None)
