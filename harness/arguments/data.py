"""Arguments of `resynth data`."""

from __future__ import annotations

from harness.arguments.base import Parsers, add, add_group, add_loader


def add_data_commands(groups: Parsers) -> None:
    """Add data info, verify, fetch."""
    data = add_group(groups, "data", "look at, check and download corpora")
    info = add(data, "info", "data:info", "show a corpus' splits", "resynth data info embedded")
    verify = add(
        data,
        "verify",
        "data:verify",
        "read and check every utterance",
        "resynth data verify librispeech --root LibriSpeech",
    )
    for one in (info, verify):
        one.add_argument(
            "kind",
            help="embedded, librispeech, librilight, folder, conversations, manifest, telephone",
        )
        add_loader(one)
        one.add_argument(
            "--split", action="append", default=[], help="only these splits (repeatable)"
        )
        one.add_argument("--json", action="store_true", help="print JSON")
    fetch = add(
        data,
        "fetch",
        "data:fetch",
        "download a subset from its official site, resuming",
        "resynth data fetch librispeech test-clean --root data",
    )
    fetch.add_argument("kind", help="librispeech or librilight")
    fetch.add_argument("subset", help="e.g. test-clean, train-clean-100, small")
    fetch.add_argument("--root", required=True, help="folder to unpack into")
