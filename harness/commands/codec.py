"""`resynth codec info` and `train`."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.codecs.catalog import codec_facts
from harness.commands.output import print_json, print_table
from harness.commands.running import find_config
from harness.config import CodecConfig, explain, read_layers
from harness.errors import UserError


def info(options: Namespace) -> int:
    """Show a codec's facts."""
    config = CodecConfig(name=options.name, weights=options.weights, bandwidth=options.bandwidth)
    facts = codec_facts(config).model_dump(mode="json")
    if options.json:
        print_json(facts)
    else:
        print_table(("fact", "value"), list(facts.items()))
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
