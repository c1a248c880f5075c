"""The one way from an utterance to its samples."""

from __future__ import annotations

import hashlib

from harness.audio import Samples
from harness.data.corpus import Corpus, Utterance
from harness.errors import UserError


def check_digest(corpus: Corpus, utterance: Utterance, data: bytes) -> None:
    """Raise UserError if the stored bytes are not those that the manifest was made from."""
    digest = hashlib.sha256(data).hexdigest()
    if digest != utterance.stored:
        raise UserError(
            f"corpus '{corpus.name}', utterance '{utterance.id}': {utterance.path} changed since "
            f"the manifest was made (sha256 {digest[:12]}..., not {utterance.stored[:12]}...); "
            "restore the file or remake the manifest"
        )


def decode(corpus: Corpus, utterance: Utterance, data: bytes) -> Samples:
    """Decode stored bytes to mono float32 (T,). Raises UserError as `Corpus.decode` does."""
    return corpus.decode(utterance, data)


def read_utterance(corpus: Corpus, utterance: Utterance, verify: bool = True) -> Samples:
    """Return an utterance as mono float32 (T,) at the corpus' sample rate.

    Raises UserError if the file is missing, is not the one the manifest was made from (unless
    `verify` is False), or is refused by `harness.audio.read_audio`.
    """
    data = corpus.read_bytes(utterance)
    if verify:
        check_digest(corpus, utterance, data)
    return decode(corpus, utterance, data)
