"""The sensitivity study as the board holds it: each artefact's levels, from mild to severe.

Records name an artefact and its level; what a level means, and which way it gets worse, is here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from leaderboard.board import Board
from leaderboard.systems import System


@dataclass(frozen=True)
class Kind:
    """What an artefact is called, what its level counts, and whether more of it is worse.

    `words` writes a level in a sentence.
    """

    title: str
    unit: str
    words: str
    rising: bool
    about: str


KINDS = {
    "white_noise": Kind(
        "white noise", "SNR in dB", "{:g} dB SNR", False,
        "Gaussian noise, by its power over the utterance’s.",
    ),
    "babble": Kind(
        "babble", "SNR in dB", "{:g} dB SNR", False,
        "Six voices made of the utterance itself, reversed and at other speeds; no recording of "
        "other speakers.",
    ),
    "clipping": Kind(
        "clipping", "share of samples", "{:g} of the samples", True,
        "The loudest samples are cut to one height; the utterance’s power is restored.",
    ),
    "band_limit": Kind(
        "band limit", "cut-off in Hz", "{:g} Hz", False,
        "A low-pass filter of zero phase; 6 dB are lost at the cut-off.",
    ),
    "packet_loss": Kind(
        "packet loss", "share of packets", "{:g} of the packets", True,
        "Packets of 20 ms are silenced, with no concealment.",
    ),
    "robotic_phase": Kind(
        "robotic phase", "share of phase", "{:g} of the phase", True,
        "The short-time phases are turned to zero, magnitudes kept: at 1 a hum of 100 Hz.",
    ),
    "time_smear": Kind(
        "smeared in time", "frames of 8 ms", "{:g} frames", True,
        "Short-time magnitudes are averaged over so many frames, phases kept.",
    ),
    "monotone": Kind(
        "monotone pitch", "share of excursion", "{:g} of the excursion", True,
        "The pitch is drawn to its mean, formants and timing kept.",
    ),
    "pitch_shift": Kind(
        "pitch shifted", "semitones", "{:+g} semitones", True,
        "The pitch is raised, formants and timing kept.",
    ),
    "voice_shift": Kind(
        "voice shifted", "semitones", "{:+g} semitones", True,
        "Pitch and formants are raised together, as a smaller speaker’s are; timing kept.",
    ),
    "word_drop": Kind(
        "words dropped", "share of words", "{:g} of the words", True,
        "Words, at least one, are faded to silence; everything else keeps its place.",
    ),
    "word_swap": Kind(
        "words swapped", "share of words", "{:g} of the words", True,
        "Words, at least one, are replaced by others of the utterance, stretched to fit.",
    ),
    "codec": Kind(
        "codec", "kb/s", "{:g} kb/s", False,
        "Decoded from the true first codes: nothing is predicted.",
    ),
    "opus": Kind("Opus", "kb/s", "{:g} kb/s", False, "A classical codec at falling bit rates."),
}  # fmt: skip


@dataclass(frozen=True)
class Graded:
    """One artefact on one split: its levels and their systems, from the mildest on."""

    name: str
    kind: Kind
    title: str
    levels: tuple[float, ...]
    systems: tuple[System, ...]

    def level_text(self, place: int) -> str:
        """Write the level at a place with what it counts."""
        return self.kind.words.format(self.levels[place])


def graded(board: Board, split: str) -> list[Graded]:
    """Return the artefacts of a split, or none where no reference was degraded on it.

    Of two systems at one level the later run's counts.
    """
    found: dict[tuple[str, str], dict[float, System]] = defaultdict(dict)
    for system in board.systems_of(split):
        place = _place(system)
        if place:
            name, level = place
            found[name, system.codec if name == "codec" else ""][level] = system
    if not any(name not in ("codec", "opus") for name, _ in found):
        return []
    order = list(KINDS)
    return [
        _graded(board, name, codec, found[name, codec])
        for name, codec in sorted(found, key=lambda key: (order.index(key[0]), key[1]))
    ]


def _place(system: System) -> tuple[str, float] | None:
    """Return the artefact and level that a system stands for, if it stands for one."""
    method = system.any.method
    if method.name == "degraded" and isinstance(method.params["level"], int | float):
        return str(method.params["artefact"]), float(method.params["level"])
    if system.anchor and method.name in ("codec", "opus") and not system.any.codec.refit:
        return method.name, system.bit_rate / 1000
    return None


def _graded(board: Board, name: str, codec: str, systems: dict[float, System]) -> Graded:
    kind = KINDS[name]
    levels = sorted(systems, reverse=not kind.rising)
    title = board.beside(kind.title, codec) if codec else kind.title
    return Graded(name, kind, title, tuple(levels), tuple(systems[level] for level in levels))
