"""`resynth codec evaluate`: a codec's rate-distortion curve beside Opus'."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.codecs.catalog import codec_facts
from harness.commands.choice import metric_names
from harness.commands.codec import chosen_codec
from harness.commands.data import loader_options
from harness.commands.output import print_json, print_table
from harness.config import CodecConfig
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.rate_distortion import Report


def evaluate(options: Namespace) -> int:
    """Evaluate a codec at every number of its codes and print the curve."""
    out = chosen_folder(options.out)
    codec = chosen_codec(options).model_dump()
    facts = codec_facts(CodecConfig.model_validate(codec))
    metrics = metric_names(options.metrics)
    corpus = {
        "kind": options.corpus,
        "root": options.root,
        "options": loader_options(options.option),
    }
    # Here, since these import torch: what was wrong above is said at once.
    from harness import rate_distortion
    from harness.codecs.evaluate import evaluate as measure
    from harness.codecs.evaluate import make_config

    config = make_config(facts, codec, corpus, options.split, options.utterances, metrics)
    report = measure(config, facts, Path(options.store or config.store))
    if out:
        rate_distortion.write(report, out)
    if options.json:
        print_json(rate_distortion.as_json(report))
    else:
        print_report(report)
        if out:
            print(f"open {out / 'rate_distortion.svg'}")
    return 0


def chosen_folder(text: str | None) -> Path | None:
    """Return the folder of --out. Raises UserError if it is a file, or could not be made."""
    if text is None:
        return None
    out = Path(text)
    if not out.is_dir() and (out.exists() or not out.parent.is_dir()):
        fault = "is a file" if out.exists() else f"folder {out.parent} does not exist"
        raise UserError(f"--out {out}: {fault}; name a folder, or a new one in an existing folder")
    return out


def print_report(report: Report) -> None:
    """Print the table and what its columns mean."""
    from harness.rate_distortion import header, printed

    print(
        f"codec {report.codec.name} on {report.corpus}, split {report.split}: "
        f"{report.utterances} utterances, means with 95 % intervals\n"
    )
    print_table(header(report), printed(report))
    print(
        f"\nencoder RTF {report.encode_rtf:.3f}, decoder RTF {report.decode_rtf:.3f} "
        f"({report.threads} thread(s), {report.processor})\n"
        f"z MSE and dB: error of the first n codes, dB relative to z's variance "
        f"({report.variance:.4g})\n"
        "RTF: seconds of computing per second of audio, from codes (for Opus from audio) to audio"
    )
