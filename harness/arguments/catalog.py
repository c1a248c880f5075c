"""Arguments of `resynth methods` and `resynth metrics`."""

from __future__ import annotations

from harness.arguments.base import Parsers, add, add_group


def add_catalog_commands(groups: Parsers) -> None:
    """Add methods list, show, check and metrics list, show."""
    for name in ("methods", "metrics"):
        about = {"methods": "list, show and check methods", "metrics": "list and show metrics"}
        group = add_group(groups, name, about[name])
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
        if name == "methods":
            show.add_argument("--layers", type=int, help="count the cost at so many layers")
            show.add_argument("--width", type=int, help="count the cost at this width")
            add_check(group)


def add_check(methods: Parsers) -> None:
    """Add methods check."""
    check = add(
        methods,
        "check",
        "catalog:check_methods",
        "check a method against the contract: 0 if it holds, 1 if a check fails",
        "resynth methods check my_method.py",
    )
    check.add_argument("method", metavar="FILE_OR_NAME", help="a Python file, or a method's name")
    check.add_argument(
        "--params", default="{}", metavar="JSON", help="parameters, e.g. '{\"beta_max\": 0.3}'"
    )
    check.add_argument("--json", action="store_true", help="print JSON")
