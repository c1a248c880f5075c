"""Corpora by name, as configs and commands give them; a kind is imported when it is opened."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.data.corpus import Corpus
from harness.errors import UserError, nearest

KINDS = {
    "embedded": "harness.data.embedded:EmbeddedCorpus",
    "librispeech": "harness.data.librispeech:LibriSpeechCorpus",
    "librilight": "harness.data.librilight:LibriLightCorpus",
    "folder": "harness.data.folder:FolderCorpus",
    "conversations": "harness.data.conversations:ConversationsCorpus",
    "manifest": "harness.data.listed:ManifestCorpus",
    "joined": "harness.data.joined:JoinedCorpus",
    "telephone": "harness.data.telephone:TelephoneCorpus",
}
ROOTLESS = {"embedded", "joined", "telephone"}  # kinds that need no root


def open_corpus(kind: str, root: str | None = None, **options: object) -> Corpus:
    """Open a corpus. `options` are the keyword arguments of its class, checked by type.

    `root` is the corpus' folder (for "manifest", the manifest file), not needed for "embedded" and
    "joined"; for "telephone" it is that of the corpus it is made of.
    Raises UserError: unknown kind or option (with the nearest), missing root or option, wrong type.
    """
    if kind not in KINDS:
        raise UserError(f"unknown corpus '{kind}'{nearest(kind, KINDS)}")
    if root is None and kind not in ROOTLESS:
        raise UserError(f"corpus '{kind}': a root is needed; say where its audio lies")
    if root is not None and not Path(root).exists():
        raise UserError(f"corpus '{kind}': root {root} does not exist; correct the path")
    module, name = KINDS[kind].split(":")
    opener = getattr(import_module(module), name)
    checked = check_options(kind, opener, options)
    corpus: Corpus = opener(**checked) if root is None else opener(Path(root), **checked)
    return corpus


def check_options(kind: str, opener: type, options: dict[str, object]) -> dict[str, Any]:
    """Check options against the keyword arguments of a corpus class; paths are made of strings.

    Raises UserError for an unknown, missing or ill-typed option.
    """
    parameters = list(inspect.signature(opener, eval_str=True).parameters.values())[1:]
    known = {parameter.name: parameter for parameter in parameters}
    for name in options:
        if name not in known:
            hint = nearest(name, known) if known else "; it has no options"
            raise UserError(f"corpus '{kind}': unknown option '{name}'{hint}")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in options:
            raise UserError(f"corpus '{kind}': option '{name}' is needed")
    return {name: _check_option(kind, known[name], options[name]) for name in options}


def _check_option(kind: str, parameter: inspect.Parameter, value: object) -> Any:
    try:
        return TypeAdapter(parameter.annotation).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in (parameter.name, *first["loc"]))
        raise UserError(
            f"corpus '{kind}': option '{name}' is {first['input']!r}: {first['msg']}"
        ) from error
