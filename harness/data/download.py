"""Resumable HTTP downloads of large files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from harness.errors import UserError

BLOCK = 1 << 20
TIMEOUT = 60.0  # seconds without a byte
Report = Callable[[int, int | None], None]  # bytes so far, bytes in all where known


class _Cut(Exception):
    """The network failed; what came before is kept."""


def download(url: str, part: Path, report: Report) -> None:
    """Fetch `url` into `part`, continuing after the bytes already there.

    A lost connection is taken up again for as long as every attempt brings something. What has
    come is kept in `part`, so that the next call continues from there.
    Raises UserError: no network, a refusing server, no space.
    """
    while True:
        before = _size(part)
        try:
            return _attempt(url, part, report)
        except _Cut as cut:
            if _size(part) <= before:
                raise UserError(
                    f"{url}: cannot be downloaded ({cut}); {before} bytes are kept in {part}, so "
                    "check the network and run the same command again to continue"
                ) from cut
        except OSError as error:
            raise UserError(
                f"{part}: cannot be written ({error.strerror}); free or change the "
                "folder and run the same command again to continue"
            ) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _attempt(url: str, part: Path, report: Report) -> None:
    response = _request(url, _size(part))
    if response is None:
        return
    with response:
        # A server that ignores the range sends everything again, with status 200.
        have = _size(part) if response.status == 206 else 0
        total = _total(response, have)
        if total is not None and shutil.disk_usage(part.parent).free < total - have:
            raise UserError(
                f"{part.parent}: {total - have} bytes are needed for {url} and fewer "
                "are free; free some or choose another folder"
            )
        with part.open("ab" if have else "wb") as file:
            while block := _receive(response):
                file.write(block)
                have += len(block)
                report(have, total)
    if total is not None and have < total:
        raise _Cut(f"the connection ended after {have} of {total} bytes")


def _request(url: str, have: int) -> HTTPResponse | None:
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416 and have:
            return None  # all of it is here; the checksum says whether it is right
        raise UserError(
            f"{url}: the server answers {error.code} {error.reason}; try again later "
            "or download the file by hand"
        ) from error
    except (OSError, HTTPException) as error:
        raise _Cut(str(getattr(error, "reason", error))) from error
    return response


def _total(response: HTTPResponse, have: int) -> int | None:
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != have:
            raise UserError(
                f"{response.url}: the server sent another range than asked for; "
                "download the file by hand"
            )
        return int(match[2])
    length = response.headers.get("Content-Length")
    return None if length is None else int(length)


def _receive(response: HTTPResponse) -> bytes:
    try:
        return response.read(BLOCK)
    except (OSError, HTTPException) as error:
        raise _Cut(str(error)) from error
