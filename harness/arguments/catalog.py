"""Arguments of `resynth methods` and `resynth metrics`."""

from __future__ import annotations

from harness.arguments.base import Parsers, add, add_group


def add_catalog_commands(groups: Parsers) -> None:
    """Add methods list, show and metrics list, show."""
    for name in ("methods", "metrics"):
        group = add_group(groups, name, f"list and show {name}")
        listing = add(
            group, "list", f"catalog:list_{name}", f"list the {name}", f"resynth {name} list"
        )
        example = {"methods": "bridge", "metrics": "visqol"}[name]
        show = add(
            group,
            "show",
            f"catalog:show_{name}",
            f"show one of the {name}",
            f"resynth {name} show {example}",
        )
        show.add_argument("name", help="its name")
        for one in (listing, show):
            one.add_argument("--json", action="store_true", help="print JSON")
