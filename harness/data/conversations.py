"""Two-channel telephone conversations with segment files: the Switchboard layout, as in Kaldi.

- root/[SPLIT/]segments: UTTERANCE RECORDING-A START STOP [TRANSCRIPT...]
- root/[SPLIT/]utt2spk, optional: UTTERANCE SPEAKER
- root/**/RECORDING.wav (or .sph, .flac): two channels, side A first, side B second
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.data.files import FileCorpus, Source, find_audio, read_text
from harness.errors import UserError

SUFFIXES = {".wav", ".sph", ".flac"}
SIDES = {"A": 0, "B": 1}


class ConversationsCorpus(FileCorpus):
    """Segments of stereo recordings, each read as mono from its side's channel.

    The split is the folder of the segment file, "all" for one at the root. Without a utt2spk file
    each side of a conversation counts as a speaker. The bytes of an utterance, and so its hash,
    are those of its segment as a 16-bit WAV; `start` and `stop` are in seconds.
    """

    name = "conversations"

    def __init__(
        self,
        root: Path,
        *,
        sample_rate: int = 8_000,
        language: str = "und",
        licence: str = "not stated",
        cache: Path | None = None,
    ) -> None:
        super().__init__(root, cache)
        self.sample_rate = sample_rate
        self.licence = licence
        self._language = language

    def _find(self) -> Sequence[Source]:
        listings = sorted(self.root.rglob("segments"))
        if not listings:
            raise UserError(f"{self.root}: holds no file 'segments'; correct the path")
        recordings = self._find_recordings()
        return [row for listing in listings for row in self._read_listing(listing, recordings)]

    def _find_recordings(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in find_audio(self.root, "**/*"):
            if path.suffix.lower() in SUFFIXES:
                if path.stem in found:
                    raise UserError(
                        f"{path}: recording '{path.stem}' is also {found[path.stem]}; "
                        "keep one of them"
                    )
                found[path.stem] = path.relative_to(self.root)
        return found

    def _read_listing(self, listing: Path, recordings: dict[str, Path]) -> Iterator[Source]:
        split = listing.parent.relative_to(self.root).as_posix()
        speakers = read_speakers(listing.with_name("utt2spk"))
        for number, line in enumerate(read_text(listing).split("\n"), 1):
            if line.strip():
                where = f"{listing}, line {number}"
                yield self._source(line, where, split, speakers, recordings)

    def _source(
        self,
        line: str,
        where: str,
        split: str,
        speakers: dict[str, str] | None,
        recordings: dict[str, Path],
    ) -> Source:
        key, side, start, stop, text = parse_segment(line, where)
        recording, _, letter = side.rpartition("-")
        if letter not in SIDES or recording not in recordings:
            raise UserError(
                f"{where}: '{side}' is not RECORDING-A or RECORDING-B of a recording "
                f"below {self.root}; correct the line or add the recording"
            )
        if speakers is not None and key not in speakers:
            raise UserError(f"{where}: '{key}' has no line in utt2spk; add it")
        speaker = side if speakers is None else speakers[key]
        return Source(
            id=key,
            speaker=speaker,
            voice=speaker,
            language=self._language,
            transcript=text,
            split="all" if split == "." else split,
            path=recordings[recording].as_posix(),
            channel=SIDES[letter],
            start=start,
            stop=stop,
        )


def parse_segment(line: str, where: str) -> tuple[str, str, float, float, str | None]:
    """Parse a line as (utterance, recording and side, start and stop in seconds, transcript).

    Raises UserError if fields are missing, or the times are not 0 <= start < stop.
    """
    fields = line.split(maxsplit=4)
    if len(fields) < 4:
        raise UserError(f"{where}: needs UTTERANCE RECORDING-A START STOP [TRANSCRIPT]")
    try:
        start, stop = float(fields[2]), float(fields[3])
    except ValueError as error:
        raise UserError(f"{where}: START and STOP must be seconds ({error})") from error
    if not 0 <= start < stop < math.inf:
        raise UserError(f"{where}: times must be 0 <= START < STOP, not {start} and {stop}")
    return fields[0], fields[1], start, stop, fields[4].strip() if len(fields) > 4 else None


def read_speakers(path: Path) -> dict[str, str] | None:
    """Read Kaldi's utt2spk, or return None where there is none. Raises UserError if malformed."""
    if not path.is_file():
        return None
    pairs = [line.split() for line in read_text(path).split("\n") if line.strip()]
    for pair in pairs:
        if len(pair) != 2:
            raise UserError(f"{path}: '{' '.join(pair)}' is not UTTERANCE SPEAKER; correct it")
    return dict(pairs)
