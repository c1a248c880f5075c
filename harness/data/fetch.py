"""Fetch LibriSpeech and LibriLight from their official sites: resumed, checksummed, unpacked.

Addresses and MD5 sums: openslr.org, resource 12 (md5sum.txt); facebookresearch/libri-light,
data_preparation/README.md (which gives no sum for the "duplicate" subset, so it is not offered).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.data.bars import progress_bars, reporter
from harness.data.download import BLOCK, Report, download
from harness.errors import UserError, nearest

LIBRISPEECH = "https://www.openslr.org/resources/12"
LIBRILIGHT = "https://dl.fbaipublicfiles.com/librilight/data"
MD5 = {
    "librispeech": {
        "dev-clean": "42e2234ba48799c1f50f24a7926300a1",
        "dev-other": "c8d0bcc9cca99d4f8b62fcc847357931",
        "test-clean": "32fa31d27d2e1cad72775fee3f4849a9",
        "test-other": "fb5a50374b501bb3bac4815ee91d3135",
        "train-clean-100": "2a93770f6d5c6c964bc36631d331a522",
        "train-clean-360": "c0e676e450a7ff2f54aeade5171606fa",
        "train-other-500": "d1a0fd59409feb2c614ce4d30c387708",
    },
    "librilight": {
        "small": "c49207eb86a8e8ac895561c37232041e",
        "medium": "c75e7ac62471bfbf2db77528d62a9b74",
        "large": "4dfbac018f50b99797ece101fc9f0c30",
    },
}


@dataclass(frozen=True)
class Archive:
    """A subset's tar file. `folder` is where the subset lies inside it."""

    url: str
    md5: str
    folder: Path


def find_archive(kind: str, subset: str) -> Archive:
    """Return the official archive. Raises UserError, with the nearest name, if there is none."""
    if kind not in MD5:
        raise UserError(f"corpus '{kind}' cannot be fetched{nearest(kind, MD5)}")
    if subset not in MD5[kind]:
        raise UserError(f"corpus '{kind}': no subset '{subset}'{nearest(subset, MD5[kind])}")
    if kind == "librispeech":
        url, folder = f"{LIBRISPEECH}/{subset}.tar.gz", Path("LibriSpeech", subset)
    else:
        url, folder = f"{LIBRILIGHT}/{subset}.tar", Path(subset)
    return Archive(url, MD5[kind][subset], folder)


def fetch(archive: Archive, root: Path, console: Console | None = None) -> Path:
    """Bring a subset below `root`, the folder `open_corpus` takes; return the subset's folder.

    A subset that is there is left alone. The archive grows as ROOT/NAME.part; it is kept when
    interrupted, so that the next call continues, and removed when done or found to be wrong.
    Raises UserError: no network, wrong checksum, no space, a broken or unsafe archive.
    """
    target = root / archive.folder.name
    if target.exists():
        return target
    part = root / f"{archive.url.rsplit('/', 1)[-1]}.part"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with progress_bars(console) as progress:
            download(archive.url, part, reporter(progress, f"{target.name}: download"))
            check_md5(part, archive, reporter(progress, f"{target.name}: checksum"))
        _unpack(part, archive.folder, target)
        part.unlink()
    except OSError as error:
        raise UserError(
            f"{root}: cannot be written ({error}); free or change the folder and run "
            "the same command again to continue"
        ) from error
    return target


def check_md5(part: Path, archive: Archive, report: Report) -> None:
    """Raise UserError, and remove the file, if it is not the archive its publisher names."""
    digest, done, total = hashlib.md5(usedforsecurity=False), 0, part.stat().st_size
    with part.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            done += len(block)
            report(done, total)
    if digest.hexdigest() != archive.md5:
        part.unlink()
        raise UserError(
            f"{archive.url}: what came has MD5 {digest.hexdigest()}, its publisher says "
            f"{archive.md5}; it was removed, so run the same command again"
        )


def _unpack(part: Path, folder: Path, target: Path) -> None:
    staging = target.parent / f".{target.name}.unpacking"
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
    try:
        with tarfile.open(part) as tar:
            tar.extractall(staging, filter="data")
        source = staging / folder
        if not source.is_dir():
            raise UserError(f"{part}: holds no folder {folder}; download the subset by hand")
        for beside in source.parent.iterdir():  # licence, readme and table of speakers
            if beside.is_file() and not (target.parent / beside.name).exists():
                os.replace(beside, target.parent / beside.name)
        os.replace(source, target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(
            f"{part}: cannot be unpacked safely ({error}); remove it and run the same command again"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
