"""A plain folder of audio, with an optional CSV of transcripts, speakers, languages and splits."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from harness.data.files import FileCorpus, Source, find_audio
from harness.errors import UserError, nearest

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3"}
COLUMNS = {"id", "path", "transcript", "speaker", "language", "split"}
UNKNOWN = "unknown"


class FolderCorpus(FileCorpus):
    """Every audio file below `root`, at one declared rate; ids are paths without suffix.

    Where the CSV has no row, column or text, an utterance has no transcript, the speaker "unknown"
    (one cluster, so that intervals are not made narrower by guessing), the language given as an
    option ("und", undetermined, if none is) and the split "all".
    Raises UserError for a file at another rate, and for a CSV that does not fit the folder.
    """

    name = "folder"

    def __init__(
        self,
        root: Path,
        *,
        sample_rate: int,
        transcripts: Path | None = None,
        language: str = "und",
        licence: str = "not stated",
        cache: Path | None = None,
    ) -> None:
        super().__init__(root, cache)
        self.sample_rate = sample_rate
        self.licence = licence
        self._csv = transcripts
        self._language = language

    def _find(self) -> Sequence[Source]:
        paths = [p for p in find_audio(self.root, "**/*") if p.suffix.lower() in SUFFIXES]
        if not paths:
            kinds = ", ".join(sorted(SUFFIXES))
            raise UserError(f"{self.root}: holds no audio ({kinds}); correct the path")
        rows = read_table(self._csv) if self._csv else {}
        files = {path.relative_to(self.root) for path in paths}
        names = {path.with_suffix("").as_posix() for path in files}
        for key in rows:
            if key not in names:
                raise UserError(
                    f"{self._csv}: '{key}' is listed, but no such audio is below "
                    f"{self.root}{nearest(key, names)}"
                )
        return [self._source(path, rows) for path in sorted(files)]

    def _source(self, path: Path, rows: dict[str, dict[str, str]]) -> Source:
        key = path.with_suffix("").as_posix()
        row = rows.get(key, {})
        speaker = row.get("speaker") or UNKNOWN
        return Source(
            id=key,
            speaker=speaker,
            voice=speaker,
            language=row.get("language") or self._language,
            transcript=row.get("transcript") or None,
            split=row.get("split") or "all",
            path=path.as_posix(),
        )


def read_table(path: Path) -> dict[str, dict[str, str]]:
    """Read a CSV with a column 'id' or 'path' and others of COLUMNS, as {id: row}.

    Raises UserError: unreadable, unknown or missing column, ragged line, or an id that repeats.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            key = _key_column(path, list(reader.fieldnames or []))
            rows: dict[str, dict[str, str]] = {}
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                _add_row(rows, row, key, where)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a UTF-8 CSV ({error}); correct it") from error
    return rows


def _key_column(path: Path, names: list[str]) -> str:
    for name in names:
        if name not in COLUMNS:
            raise UserError(f"{path}: unknown column '{name}'{nearest(name, COLUMNS)}")
    keys = [name for name in ("id", "path") if name in names]
    if len(keys) != 1:
        raise UserError(f"{path}: exactly one of the columns 'id' and 'path' is needed")
    return keys[0]


def _add_row(rows: dict[str, dict[str, str]], row: dict[str, str], key: str, where: str) -> None:
    if None in row or None in row.values():
        raise UserError(f"{where}: does not have as many fields as the header; quote the commas")
    name = row[key] if key == "id" else Path(row[key]).with_suffix("").as_posix()
    if name in rows:
        raise UserError(f"{where}: '{name}' is listed a second time; keep one row")
    rows[name] = {column: text.strip() for column, text in row.items()}
