"""Resolve a configuration's corpus into training, validation and evaluation utterances."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from harness.config import Config, CorpusConfig
from harness.data.corpus import Corpus, Utterance, nested_subset
from harness.data.leakage import check_disjoint
from harness.data.registry import open_corpus
from harness.errors import UserError, nearest
from harness.records import DataSize

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(%|h|min)")


@dataclass(frozen=True)
class Splits:
    """The utterances of every role; evaluation splits by name, "valid" among them."""

    corpus: Corpus
    train: list[Utterance]
    valid: list[Utterance]
    evaluate: dict[str, list[Utterance]]


def resolve_splits(config: Config) -> Splits:
    """Read the corpus and divide it. Raises UserError for unknown, empty or overlapping splits."""
    corpus = open_corpus(config.corpus.kind, config.corpus.root, **config.corpus.options)
    train, valid = training_rows(corpus, config.corpus)
    evaluate = {}
    for split in config.evaluate:
        if split.split == "valid" and not valid:
            raise UserError("evaluate, split 'valid': corpus.valid names no split; name one")
        rows = valid if split.split == "valid" else corpus.split(split.split)
        evaluate[split.split] = first_by_hash(rows, split.utterances)
    for rows in (valid, *evaluate.values()):
        check_disjoint(train, rows)
    return Splits(corpus, train, valid, evaluate)


def training_rows(corpus: Corpus, config: CorpusConfig) -> tuple[list[Utterance], list[Utterance]]:
    """Return training and validation utterances, held-out and left-out voices removed.

    Where `config.train` is empty, for configurations that train nothing, nothing is held out.
    """
    if not config.train:
        if config.held_out_voices or config.leave_out_voice is not None:
            raise UserError("corpus: voices are left out of training, but `train` names no split")
        return [], corpus.split(*config.valid)
    train = corpus.split(*config.train)
    voices = sorted({row.voice for row in train}, key=voice_order)
    if config.leave_out_voice is not None and config.leave_out_voice not in voices:
        raise UserError(
            f"corpus.leave_out_voice: no voice '{config.leave_out_voice}' in training"
            f"{nearest(config.leave_out_voice, voices)}"
        )
    train = [row for row in train if row.voice != config.leave_out_voice]
    if config.valid:
        valid = [r for r in corpus.split(*config.valid) if r.voice != config.leave_out_voice]
        return train, valid
    if not 0 < config.held_out_voices < len(voices):
        raise UserError(
            f"corpus: name a valid split, or set held_out_voices to 1..{len(voices) - 1}"
        )
    held = set(voices[: config.held_out_voices])
    return [r for r in train if r.voice not in held], [r for r in train if r.voice in held]


def voice_order(voice: str) -> str:
    """The hash that decides which voices are held out."""
    return hashlib.sha256(f"resynth:voice:{voice}".encode()).hexdigest()


def first_by_hash(rows: list[Utterance], count: int | None) -> list[Utterance]:
    """Return the first `count` utterances in hash order, ordered by id again; None means all."""
    chosen = sorted(rows, key=lambda row: row.order)[:count]
    return sorted(chosen, key=lambda row: row.id)


def training_subset(train: list[Utterance], label: str) -> tuple[list[Utterance], DataSize]:
    """Return the nested subset a data size names: "10%" of the training audio, "2h" or "30min".

    Raises UserError for anything else, for more than there is, and without training audio.
    """
    if not train:
        raise UserError("corpus.train names no split, but a method is to be trained; name one")
    match = SIZE.fullmatch(label)
    if not match:
        raise UserError(
            f"data size '{label}' is not understood; write it as '10%', '30min' or '2h'"
        )
    total = sum(row.seconds for row in train)
    unit = {"%": total / 100, "h": 3600.0, "min": 60.0}[match[2]]
    seconds = float(match[1]) * unit
    if seconds <= 0:
        raise UserError(f"data size '{label}' is empty; choose more than 0")
    rows = nested_subset(train, seconds)
    hours = round(sum(row.seconds for row in rows) / 3600, 4)
    return rows, DataSize(
        label=label, hours=hours, utterances=len(rows), voices=len({row.voice for row in rows})
    )
