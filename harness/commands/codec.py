"""`resynth codec info`, `fetch` and `train`."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.codecs.catalog import codec_facts, family_of
from harness.commands.output import print_json, print_table
from harness.commands.running import find_config
from harness.config import CodecConfig, explain, read_layers
from harness.data.bars import progress_bars, reporter
from harness.errors import UserError


def info(options: Namespace) -> int:
    """Show a codec's facts."""
    from harness.codecs.loading import load_codec

    config = chosen_codec(options)
    codec = load_codec(config)
    facts = codec_facts(config).model_dump(mode="json", exclude_none=True)
    facts["parameters"] = sum(p.numel() for p in codec.parameters())
    facts["weights"] = str(family_of(config).weights(config))
    if options.json:
        print_json(facts)
    else:
        print_table(("fact", "value"), [(name, plain(value)) for name, value in facts.items()])
    return 0


def plain(value: Any) -> str:
    """Return a fact's value as one line."""
    if isinstance(value, list) and len(set(map(str, value))) == 1 and len(value) > 1:
        return f"{value[0]} ({len(value)} times)"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def chosen_codec(options: Namespace) -> CodecConfig:
    """Return the codec that the arguments choose. Raises UserError for a value out of range."""
    names = ("name", "weights", "bandwidth", "codebooks", "quantizer")
    try:
        return CodecConfig.model_validate({name: getattr(options, name) for name in names})
    except ValidationError as error:
        raise UserError(explain(error, CodecConfig)) from error


def fetch(options: Namespace) -> int:
    """Download a codec's official weights into their own cache."""
    config = CodecConfig(name=options.name)
    with progress_bars() as bars:
        path = family_of(config).fetch(config, reporter(bars, f"codec {options.name}"))
    print(f"{options.name}: {path}")
    return 0


def train(options: Namespace) -> int:
    """Train the tiny codec and write its weights with their training record."""
    from harness.codecs.build import CodecBuild, build_codec

    path, out = find_config(options.config), Path(options.out)
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: folder {out.parent} does not exist; make it first")
    data: dict[str, Any] = read_layers(path)
    try:
        config = CodecBuild.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, CodecBuild)}") from error
    build_codec(config, out)
    print(f"wrote {out}; give it as codec.weights, with codec.name tiny")
    return 0
