"""Every artefact by name, and the one way to apply it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from methods.artefacts.base import MIN_SECONDS, Artefact, Samples, Speech
from methods.artefacts.noise import babble, white_noise
from methods.artefacts.prosody import monotone, pitch_shift, voice_shift
from methods.artefacts.spectral import robotic_phase, time_smear
from methods.artefacts.waveform import band_limit, clipping, packet_loss
from methods.artefacts.words import word_drop, word_swap
from methods.params import MethodError

ARTEFACTS: Mapping[str, Artefact] = {
    "white_noise": Artefact(white_noise, "dB SNR", -20, 80),
    "babble": Artefact(babble, "dB SNR", -20, 80),
    "clipping": Artefact(clipping, "share of samples clipped", 0, 0.9, identity=0),
    "band_limit": Artefact(band_limit, "Hz, cut-off", 100, 24_000),
    "packet_loss": Artefact(packet_loss, "share of packets lost", 0, 0.9, identity=0),
    "robotic_phase": Artefact(robotic_phase, "share of phase removed", 0, 1, identity=0),
    "time_smear": Artefact(time_smear, "frames of 8 ms", 1, 125, identity=1, whole=True),
    "monotone": Artefact(monotone, "share of pitch excursion removed", 0, 1, identity=0),
    "pitch_shift": Artefact(pitch_shift, "semitones", -12, 12, identity=0),
    "voice_shift": Artefact(voice_shift, "semitones", -12, 12, identity=0),
    "word_drop": Artefact(
        word_drop, "share of words dropped", 0, 0.9, identity=0, needs_words=True
    ),
    "word_swap": Artefact(word_swap, "share of words swapped", 0, 1, identity=0, needs_words=True),
}


def check_level(name: str, level: float) -> None:
    """Raise MethodError for an unknown artefact, or a level outside its range."""
    if name not in ARTEFACTS:
        raise MethodError(f"no artefact is called '{name}'; known: {', '.join(ARTEFACTS)}")
    ARTEFACTS[name].check(name, level)


def degrade(name: str, speech: Speech, level: float) -> Samples:
    """Return the utterance (T,) with an artefact, float32 and as long as it was.

    Raises MethodError for what `check_level` refuses, for less than 0.1 s, and where an artefact
    cannot be applied (no voice to shift, no words given).
    """
    check_level(name, level)
    artefact = ARTEFACTS[name]
    if level == artefact.identity:
        return speech.samples.astype(np.float32)
    if len(speech.samples) < MIN_SECONDS * speech.rate:
        raise MethodError(f"an artefact needs {MIN_SECONDS} s of audio or more")
    made = artefact.apply(speech, level)
    assert made.shape == speech.samples.shape
    return made.astype(np.float32)
