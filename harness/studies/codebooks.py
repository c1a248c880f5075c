"""The codebook-size study: one frozen codec, codebooks refitted for several K and N.

It answers whether continuous targets beat discrete ones because of quantization loss: the encoder
and the decoder stay, only the codebooks change, in two arms. Where codebook 1 is held, x1 says the
same at every K; where all vary, x1 changes too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harness.audio import RESAMPLING_POLICY
from harness.codecs.catalog import codec_facts, codec_identity
from harness.config import CodecConfig, Config, MethodConfig, Strict
from harness.errors import UserError, nearest
from harness.identity import HARNESS, LATENT_SOURCES, audio_digest, digest, source_digest
from harness.splits import resolve_splits
from harness.store import Store
from harness.studies.sections import read_study

FIT_SOURCES = [
    *LATENT_SOURCES,
    *(HARNESS / "codecs" / f"{name}.py" for name in ("kmeans", "requantize", "requantized")),
]
ENTRIES = Field(ge=2, le=32_767)  # codes are kept as 16-bit integers


class CodebookStudy(Strict):
    """The section `study`: which codebooks to fit, and what to do with them.

    `keep` lists the arms, by how many of the codec's own codebooks stay. `codebooks` are fitted,
    and reconstructed from the first 1, 2, ... of them; methods are trained on the first
    `trained_codebooks`. At most `frames` training frames are used.
    """

    entries: Annotated[list[Annotated[int, ENTRIES]], Field(min_length=1)]
    codebooks: int = Field(ge=2, le=64)
    trained_codebooks: int = Field(ge=2)
    keep: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    frames: int = Field(ge=1000)
    seed: int = 0
    reconstruction_metrics: list[str]


def load_study(path: Path) -> tuple[Config, CodebookStudy]:
    """Read a study: a configuration with a section `study`. Raises UserError for anything else."""
    config, study = read_study(path, CodebookStudy, "codebooks")
    if len(config.codecs) != 1 or config.codecs[0].quantizer is not None:
        raise UserError(f"{path}: codec: the study refits one codec's own codebooks; name one")
    check_study(path, config, study)
    return config, study


def check_study(path: Path, config: Config, study: CodebookStudy) -> None:
    """Raise UserError for what no run could do."""
    for name in ("entries", "keep"):
        if len(set(getattr(study, name))) < len(getattr(study, name)):
            raise UserError(f"{path}: study.{name}: a value occurs twice; remove one")
    known = [metric.name for metric in config.metrics]
    for name in study.reconstruction_metrics:
        if name not in known:
            raise UserError(
                f"{path}: study.reconstruction_metrics: '{name}' is not among `metrics`"
                f"{nearest(name, known)}"
            )
    if study.trained_codebooks > study.codebooks:
        raise UserError(
            f"{path}: study: trained_codebooks is {study.trained_codebooks}, more than the "
            f"{study.codebooks} codebooks that are fitted"
        )


def quantizer_files(
    config: Config, study: CodebookStudy, store: Store
) -> dict[tuple[int, int], Path]:
    """Return where the codebooks of each (keep, K) lie, named by all that determines them."""
    splits, codec = resolve_splits(config), config.codecs[0]
    facts = codec_facts(codec)
    common: dict[str, Any] = {
        "codec": [facts.sha256, facts.codebooks, facts.name],
        "code": [source_digest(FIT_SOURCES), codec_identity(codec), RESAMPLING_POLICY],
        "train": audio_digest(splits.train),
        "valid": audio_digest(splits.valid),
        "codebooks": study.codebooks,
        "frames": study.frames,
        "seed": study.seed,
    }
    folder, found = store.root / "quantizers", {}
    for keep, entries in [(keep, entries) for keep in study.keep for entries in study.entries]:
        identity = digest({**common, "keep": keep, "entries": entries})
        found[keep, entries] = folder / f"k{entries}-keep{keep}-{identity}.safetensors"
    return found


def reconstruction_config(config: Config, study: CodebookStudy, files: Sequence[Path]) -> Config:
    """Return the run that decodes the first n codes, n = 1..N, of every refitted codec."""
    metrics = [m for m in config.metrics if m.name in study.reconstruction_metrics]
    layers = list(range(1, study.codebooks + 1))
    return config.model_copy(
        update={
            "name": f"{config.name}-reconstruction",
            "title": f"{config.title}: reconstruction",
            "codec": refitted(config.codecs[0], files),
            "methods": [
                MethodConfig(name="prequantized"),
                MethodConfig(name="codec", layers=layers),
            ],
            "metrics": metrics,
            "selection": None,
        }
    )


def resynthesis_config(config: Config, study: CodebookStudy, files: Sequence[Path]) -> Config:
    """Return the run that trains the methods on the first codebooks of every refitted codec."""
    codecs = refitted(config.codecs[0], files, study.trained_codebooks)
    return config.model_copy(update={"codec": codecs})


def refitted(
    codec: CodecConfig, files: Sequence[Path], codebooks: int | None = None
) -> list[CodecConfig]:
    """Return the codec with each file's codebooks, cut to the first `codebooks`."""
    return [
        codec.model_copy(update={"quantizer": str(path.resolve()), "codebooks": codebooks})
        for path in files
    ]


def run_study(
    config: Config,
    study: CodebookStudy,
    root: Path,
    site: Path,
    address: str | None,
    say: Callable[[str], None],
) -> None:
    """Fit what is missing, run both matrices and publish. Raises as `harness.run.run` does."""
    from harness.run import run
    from harness.studies.fitting import fit_missing

    store = Store.create(root)
    files = quantizer_files(config, study, store)
    with store.lock():
        fit_missing(config, study, files, say)
    paths = list(files.values())
    say(f"reconstruction from 1 to {study.codebooks} codes of {len(paths)} refitted codecs")
    run(reconstruction_config(config, study, paths), root, None, address)
    say(f"methods on the first {study.trained_codebooks} codebooks of each")
    run(resynthesis_config(config, study, paths), root, site, address)
