"""`resynth data info` and `resynth data verify`, as functions; the CLI prints what they return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.data.corpus import Corpus, Utterance
from harness.data.files import FileCorpus
from harness.data.read import check_digest, decode
from harness.errors import UserError, nearest

ROUNDING = 1e-3  # seconds by which a manifest may round a duration


def info(corpus: Corpus, splits: Sequence[str] = ()) -> dict[str, object]:
    """Describe a corpus, or its named splits, as JSON-ready facts (hours of audio, counts).

    Raises UserError as `Corpus.split` does.
    """
    rows = corpus.split(*splits) if splits else corpus.utterances()
    names = sorted({row.split for row in rows})
    return {
        "corpus": corpus.name,
        "sample_rate": corpus.sample_rate,
        "licence": corpus.licence,
        "splits": {name: _describe([r for r in rows if r.split == name]) for name in names},
    }


def _describe(rows: Sequence[Utterance]) -> dict[str, object]:
    return {
        "utterances": len(rows),
        "hours": sum(row.seconds for row in rows) / 3600,
        "speakers": len({row.speaker for row in rows}),
        "voices": len({row.voice for row in rows}),
        "languages": sorted({row.language for row in rows}),
        "transcripts": sum(row.transcript is not None for row in rows),
    }


def verify(corpus: Corpus, splits: Sequence[str] = ()) -> list[str]:
    """Read all the audio of a corpus, or of its named splits; return a sentence per problem.

    Checked: duplicate ids, the same audio in two splits, missing and changed files, and everything
    `harness.audio.read_audio` refuses (unreadable, truncated, stereo, wrong rate, empty, silent,
    not finite), and durations. Raises UserError only if the corpus cannot be listed at all.
    """
    rows, problems = _list_rows(corpus, splits)
    problems += _find_doubles(rows)
    for row in rows:
        problems += _check_row(corpus, row)
    return problems


def _list_rows(corpus: Corpus, splits: Sequence[str]) -> tuple[list[Utterance], list[str]]:
    if isinstance(corpus, FileCorpus):  # a bad file is one problem of many there, not the end
        return corpus.survey(*(splits or corpus.splits))
    rows = corpus.utterances()
    known = {row.split for row in rows}
    for split in splits:
        if split not in known:
            raise UserError(f"corpus '{corpus.name}': no split '{split}'{nearest(split, known)}")
    return [row for row in rows if not splits or row.split in splits], []


def _find_doubles(rows: Sequence[Utterance]) -> Iterator[str]:
    for key, count in Counter(row.id for row in rows).items():
        if count > 1:
            yield f"utterance id '{key}' occurs {count} times; make the ids unique"
    first: dict[str, Utterance] = {}
    for row in rows:
        other = first.setdefault(row.sha256, row)
        if other.split != row.split:
            yield (
                f"'{other.id}' (split {other.split}) and '{row.id}' (split {row.split}) are the "
                "same audio; keep one"
            )


def _check_row(corpus: Corpus, row: Utterance) -> Iterator[str]:
    try:
        data = corpus.read_bytes(row)
    except UserError as error:
        yield str(error)
        return
    try:
        check_digest(corpus, row, data)
    except UserError as error:
        yield str(error)
    try:
        seconds = len(decode(corpus, row, data)) / corpus.sample_rate
    except UserError as error:
        yield str(error)
        return
    if not abs(seconds - row.seconds) <= ROUNDING:
        yield (
            f"'{row.id}' ({row.path}) lasts {seconds:.3f} s, but {row.seconds:.3f} s is stated; "
            "remake the manifest"
        )
