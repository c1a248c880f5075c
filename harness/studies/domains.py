"""The study of domains: systems as they were trained, evaluated on every kind of speech at hand.

A configuration of an ordinary run, with a section `domains` that names its splits. Trials are those
of any run with the same training settings and audio, so in its store nothing is trained anew. Only
a domain that leaves a voice out of training is a run of its own, with trials that never heard it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from harness.config import Config, Strict, explain, merge, read_layers
from harness.errors import UserError, nearest
from harness.studies.domain_records import KEY, AbsentDomain, Kind


class Domain(Strict):
    """A domain: a split of `evaluate`, under a name, and what sets it apart.

    With `leave_out_voice` the systems are trained without that voice, and the domain is its share
    of the split. An `optional` domain is left out, and said to be, where its part's root is absent.
    """

    label: str = Field(min_length=1)
    kind: Kind
    split: str
    optional: bool = False
    leave_out_voice: str | None = None


class Section(Strict):
    """The section `domains` of a configuration."""

    domains: Annotated[list[Domain], Field(min_length=2)]


@dataclass(frozen=True)
class Study:
    """A configuration without what is absent, its domains, and those left out."""

    config: Config
    domains: tuple[Domain, ...]
    absent: tuple[AbsentDomain, ...]


def load_study(path: Path, root: Path | None = None) -> Study:
    """Read a study and see which of its parts are here; `root` replaces `corpus.root`.

    Raises UserError for anything unexpected, and for an absent part that is not optional.
    """
    data = read_layers(path)
    if KEY not in data:
        raise UserError(f"{path}: has no section '{KEY}'; start from configs/domains.yaml")
    try:
        listed = Section.model_validate({KEY: data.pop(KEY)}).domains
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, Section)}") from error
    if root is not None:
        data = merge(data, {"corpus": {"root": str(root)}})
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error)}") from error
    check_domains(path, config, listed)
    return without_absent(config, listed)


def check_domains(path: Path, config: Config, domains: Sequence[Domain]) -> None:
    """Raise UserError for what no run could do, and for what would leave no order to compare."""
    splits = [split.split for split in config.evaluate]
    for domain in domains:
        if domain.split not in splits:
            raise UserError(
                f"{path}: domain '{domain.label}': split '{domain.split}' is not in `evaluate`"
                f"{nearest(domain.split, splits)}"
            )
    labels = [domain.label for domain in domains]
    if len(set(labels)) < len(labels):
        raise UserError(f"{path}: domains: two have the same label; rename one")
    if len(config.codecs) != 1:
        raise UserError(f"{path}: codec: the study orders methods on one codec; name one")
    if config.selection is None and any(len(method.nfe) > 1 for method in config.methods):
        raise UserError(f"{path}: several NFEs need `selection`: one of each method is ordered")
    if config.corpus.leave_out_voice is not None and any(d.leave_out_voice for d in domains):
        raise UserError(f"{path}: a voice is left out by `corpus` and by a domain; choose one")


def without_absent(config: Config, domains: Sequence[Domain]) -> Study:
    """Leave out the optional domains whose audio is not here, their splits and parts with them."""
    missing = absent_parts(config)
    gone = [domain for domain in domains if part_of(domain.split) in missing]
    for domain in gone:
        if not domain.optional:
            raise UserError(
                f"domain '{domain.label}': {missing[part_of(domain.split)]} does not exist; give "
                "its folder (--root), or make the domain optional"
            )
    left = [domain for domain in domains if domain not in gone]
    dropped = {domain.split for domain in gone}
    evaluate = [split for split in config.evaluate if split.split not in dropped]
    parts = [part for part in parts_of(config) if name_of(part) not in missing]
    options = {**config.corpus.options, **({"parts": parts} if missing else {})}
    corpus = config.corpus.model_copy(update={"options": options})
    return Study(
        config.model_copy(update={"corpus": corpus, "evaluate": evaluate}),
        tuple(left),
        tuple(
            AbsentDomain(label=d.label, kind=d.kind, reason=f"no audio of {part_of(d.split)} here")
            for d in gone
        ),
    )


def parts_of(config: Config) -> list[Any]:
    """Return the parts of a joined corpus as they are written; of another corpus none."""
    parts = config.corpus.options.get("parts") if config.corpus.kind == "joined" else None
    return list(TypeAdapter(list[Any]).validate_python(parts or []))


def absent_parts(config: Config) -> dict[str, Path]:
    """Return the roots that are not there, by their parts' names; of parts that only evaluate."""
    above, corpus = Path(config.corpus.root or "."), config.corpus
    trains = {part_of(split) for split in (*corpus.train, *corpus.valid)}
    found = [part for part in parts_of(config) if isinstance(part, dict) and part.get("root")]
    roots = {name_of(part): above / str(part["root"]) for part in found}
    return {name: root for name, root in roots.items() if name not in trains and not root.exists()}


def name_of(part: Any) -> str:
    """Return what a part's splits are prefixed with, as far as it is well-formed."""
    return str(part.get("name") or part.get("kind")) if isinstance(part, dict) else ""


def part_of(split: str) -> str:
    """Return the part of a joined corpus that a split is of; a plain part's have none."""
    return split.partition("/")[0] if "/" in split else ""
