"""Trains methods on real speech, for the learning tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.codecs.base import Codec
from harness.codecs.loading import load_codec
from harness.config import CodecConfig, TrainingConfig
from harness.data.corpus import Utterance
from harness.data.embedded import EmbeddedCorpus
from harness.latents.read import Latents
from harness.latents.spec import plan_cache
from harness.latents.write import write_shard
from harness.space import trained_space
from harness.store import Store
from harness.training.checkpoints import Checkpoints
from harness.training.loop import Setup, Training
from harness.training.losses import frozen_decoder
from methods import catalog
from methods.base import Audio, Backbone, Inputs, Method


def silent(step: int, steps: int, loss: float | None) -> None:
    """Progress that nobody watches."""


@dataclass
class School:
    """Trains methods on some utterances, each once, and lets them resynthesize others."""

    latents: Latents
    train: Sequence[str]
    backbone: Backbone

    def __post_init__(self) -> None:
        self.codec: Codec = self.latents.codec
        self.space = trained_space(self.codec, self.latents, self.train)
        self.known: dict[str, Method] = {}

    def method(self, name: str, params: dict[str, Any], budget: TrainingConfig) -> Method:
        """Return a method trained with a budget; its teacher, if it has one, is trained alike."""
        key = f"{name} {params} {budget}"
        if key not in self.known:
            declaration = catalog.get(name)
            kind = catalog.load(declaration)
            chosen = kind.Params.model_validate(params)
            taught = declaration.teacher
            own = getattr(chosen, "teacher", {})
            teacher = self.method(taught, own, budget) if taught else None
            setup = Setup(
                build=lambda space: kind(chosen, space, self.backbone),
                space=self.space,
                latents=self.latents,
                subset=self.train,
                valid=self.train,
                config=budget,
                seed=0,
                teacher=teacher if declaration.trains else None,
                make_decoder=lambda: frozen_decoder(self.codec, "cpu"),
            )
            if declaration.trains:
                self.known[key] = Training(setup, silent, Checkpoints(None, 1)).run().method
            else:
                untrained = setup.build(self.space).eval()
                assert teacher is not None
                untrained.adopt(teacher)
                self.known[key] = untrained
        return self.known[key]

    def resynthesize(self, method: Method, name: str, nfe: int, seed: int = 0) -> Tensor | Audio:
        """Return one utterance's latents (1, F, D) or audio, from its x1."""
        with torch.inference_mode():
            generators = [torch.Generator().manual_seed(seed)]
            return method.resynthesize(self.inputs(name), nfe, generators)

    def inputs(self, name: str) -> Inputs:
        """Return what a method may see of an utterance."""
        _, codes = self.latents.read(name, 0, self.latents.frames(name))
        return Inputs(codes[None, 0], torch.ones(1, codes.shape[1], dtype=torch.bool))

    def target(self, name: str) -> tuple[Tensor, Tensor]:
        """Return an utterance's z (1, F, D) and codes (1, N, F)."""
        z, codes = self.latents.read(name, 0, self.latents.frames(name))
        return z[None], codes[None]


def encode(folder: Path, rows: Sequence[Utterance]) -> Latents:
    """Encode utterances of the embedded corpus with the embedded codec."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    corpus, codec = EmbeddedCorpus(), load_codec(CodecConfig())
    store = Store.create(folder)
    cache = plan_cache("codec", "code", rows, "float32", "latents", shard_minutes=30.0)
    for shard in cache.shards:
        write_shard(store, shard, cache, codec, corpus, silent)
    return Latents(store, cache, codec, corpus)
