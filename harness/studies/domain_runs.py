"""The runs of the study of domains (`harness.studies.domains`), and what records say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.config import Config
from harness.data.corpus import Utterance
from harness.data.telephone import Treated
from harness.errors import UserError, WorkFailed
from harness.splits import resolve_splits
from harness.store import Store
from harness.studies.domain_records import KEY, DomainRecord, DomainsRecord
from harness.studies.domains import Domain, Study


@dataclass(frozen=True)
class DomainRun:
    """One ordinary run of the study, and the domains it gives."""

    config: Config
    domains: tuple[Domain, ...]


def domain_runs(study: Study) -> list[DomainRun]:
    """Return the run of the trained systems, then one for each voice that is left out.

    Each evaluates the splits of its domains, and those that are no domain's.
    """
    voices = list(dict.fromkeys(domain.leave_out_voice for domain in study.domains))
    others = {split.split for split in study.config.evaluate} - {d.split for d in study.domains}
    found = []
    for voice in sorted(voices, key=lambda voice: voice is not None):
        own = tuple(domain for domain in study.domains if domain.leave_out_voice == voice)
        splits = {domain.split for domain in own} | others
        found.append(DomainRun(run_config(study.config, splits, voice), own))
    return found


def run_config(config: Config, splits: set[str], voice: str | None) -> Config:
    """Return the configuration of one run, named after the voice it leaves out."""
    evaluate = [split for split in config.evaluate if split.split in splits]
    if voice is None:
        return config.model_copy(update={"evaluate": evaluate})
    return config.model_copy(
        update={
            "name": f"{config.name}-without-{voice.replace('/', '-')}",
            "title": f"{config.title}: trained without {voice}",
            "corpus": config.corpus.model_copy(update={"leave_out_voice": voice}),
            "evaluate": evaluate,
        }
    )


def describe(study: Study, one: DomainRun) -> DomainsRecord:
    """Return what a run's record says of its domains.

    Raises UserError where a domain is of another kind than it claims: its voices were heard in
    training, or were not; or where the left-out voice is not in its split.
    """
    splits = resolve_splits(one.config)
    heard = {row.voice for row in splits.train}
    records = []
    for domain in one.domains:
        rows = splits.evaluate[domain.split]
        if domain.leave_out_voice is not None:
            rows = [row for row in rows if row.voice == domain.leave_out_voice]
        record = DomainRecord(
            label=domain.label,
            kind=domain.kind,
            split=domain.split,
            voice=domain.leave_out_voice,
            voices=len({row.voice for row in rows}),
            seen=len({row.voice for row in rows if is_heard(row, heard)}),
        )
        check_kind(record)
        records.append(record)
    return DomainsRecord(
        study=study.config.name,
        title=study.config.title,
        order=tuple(domain.label for domain in study.domains),
        domains=tuple(records),
        absent=study.absent,
    )


def is_heard(row: Utterance, heard: set[str]) -> bool:
    """Say whether a voice was heard in training; over the telephone it is still that voice."""
    name = row.voice
    while isinstance(row, Treated) and name not in heard and "/" in name:
        name = name.partition("/")[2]  # without the name of the part that is the telephone
    return name in heard


def check_kind(record: DomainRecord) -> None:
    """Raise UserError unless a domain is of the kind it claims to be."""
    if record.voices == 0:
        raise UserError(
            f"domain '{record.label}': split '{record.split}' has no utterance of "
            f"'{record.voice}'; correct leave_out_voice"
        )
    wanted = {"seen voices": record.voices, "unseen voices": 0}.get(record.kind, record.seen)
    if record.seen != wanted:
        raise UserError(
            f"domain '{record.label}': is to be of {record.kind}, but {record.seen} of its "
            f"{record.voices} voices are heard in training; correct its kind or its split"
        )


def run_study(
    study: Study, root: Path, site: Path, address: str | None, say: Callable[[str], None]
) -> None:
    """Run what is missing and publish.

    Raises UserError as `harness.run.run` does, WorkFailed, once all is published, if work failed.
    """
    from harness.run import publish, run

    for domain in study.absent:
        looked = study.config.corpus.root or "the working folder"
        say(f"left out: domain '{domain.label}' ({domain.reason}; looked below {looked})")
    planned = [(one, describe(study, one)) for one in domain_runs(study)]
    failures = []
    for one, record in planned:
        say(f"{one.config.name}: {', '.join(domain.label for domain in one.domains)}")
        try:
            run(one.config, root, None, address)
        except WorkFailed as error:
            failures.append(f"{one.config.name}: {error}")
        keep_record(Store.open(root), one.config.name, record)
    publish(Store.open(root), site)
    if failures:
        raise WorkFailed("\n".join(failures))


def keep_record(store: Store, name: str, record: DomainsRecord) -> None:
    """Add the study to a run's record, for the pages."""
    (found,) = [run for run in store.runs() if run.id == name]
    config = {**found.config, KEY: record.model_dump(mode="json")}
    store.replace(found.model_copy(update={"config": config}))
