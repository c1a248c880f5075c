"""Arguments of `resynth codec`."""

from __future__ import annotations

from argparse import ArgumentParser

from harness.arguments.base import Parsers, add, add_group, add_loader


def add_codec_commands(groups: Parsers) -> None:
    """Add codec info, fetch, evaluate, train, requantize."""
    codec = add_group(groups, "codec", "look at and train codecs")
    add_info(codec)
    add_evaluate(codec)
    add_training(codec)
    add_requantize(codec)


def add_name(command: ArgumentParser) -> None:
    """Add the arguments that choose a codec as it was published."""
    command.add_argument("name", help="a codec, e.g. tiny, encodec, dac-24khz, mimi")
    command.add_argument("--weights", help="weights (default: the codec's own place)")


def add_choice(command: ArgumentParser) -> None:
    """Add the arguments that choose a codec and how much of it."""
    add_name(command)
    command.add_argument("--bandwidth", type=float, help="EnCodec's bandwidth in kb/s")
    command.add_argument("--codebooks", type=int, help="only the first so many codebooks")
    command.add_argument("--quantizer", help="codebooks refitted by `resynth codec requantize`")


def add_corpus(command: ArgumentParser) -> None:
    """Add the arguments that choose a corpus."""
    command.add_argument("--corpus", default="embedded", metavar="KIND", help="kind of corpus")
    add_loader(command)


def add_info(codec: Parsers) -> None:
    """Add info and fetch."""
    info = add(
        codec,
        "info",
        "codec:info",
        "show a codec's geometry, bit rate, parameters, licence and hash",
        "resynth codec info tiny",
    )
    add_choice(info)
    info.add_argument("--json", action="store_true", help="print JSON")
    fetch = add(
        codec,
        "fetch",
        "codec:fetch",
        "download a codec's weights from their official address, resuming",
        "resynth codec fetch encodec",
    )
    fetch.add_argument("name", help="encodec, dac-16khz, dac-24khz, dac-44khz or mimi")


def add_evaluate(codec: Parsers) -> None:
    """Add evaluate."""
    evaluate = add(
        codec,
        "evaluate",
        "codec_evaluate:evaluate",
        "measure a codec at every number of its codes, beside Opus",
        "resynth codec evaluate tiny --utterances 20 --metrics estoi,pesq --out curve",
    )
    add_choice(evaluate)
    add_corpus(evaluate)
    evaluate.add_argument("--split", default="test", help="split of the corpus (default: test)")
    evaluate.add_argument("--utterances", type=int, help="a fixed, hashed subset of this size")
    evaluate.add_argument("--metrics", metavar="A,B", help="default: every metric")
    evaluate.add_argument("--store", help="store folder (default: runs/codec-NAME-CORPUS-SPLIT)")
    evaluate.add_argument("--out", help="folder for rate_distortion.csv, .json and .svg")
    evaluate.add_argument("--json", action="store_true", help="print JSON")


def add_training(codec: Parsers) -> None:
    """Add train."""
    train = add(
        codec,
        "train",
        "codec:train",
        "train the tiny codec",
        "resynth codec train configs/codec-tiny.yaml --out tiny.safetensors",
    )
    train.add_argument("config", help="a YAML file, or the name of one that ships")
    train.add_argument("--out", required=True, help="weights file to write")


def add_requantize(codec: Parsers) -> None:
    """Add requantize."""
    refit = add(
        codec,
        "requantize",
        "codec_requantize:requantize",
        "refit a codec's codebooks to its z by k-means and measure what they lose",
        "resynth codec requantize tiny --entries 512 --codebooks 8 --out k512.safetensors",
    )
    add_name(refit)
    refit.add_argument("--entries", type=int, required=True, help="entries K of each codebook")
    refit.add_argument("--codebooks", type=int, required=True, help="number of codebooks N")
    refit.add_argument(
        "--keep", type=int, default=0, help="hold the codec's own first so many codebooks"
    )
    add_corpus(refit)
    refit.add_argument("--split", action="append", help="splits to fit to (default: train)")
    refit.add_argument(
        "--valid-split", action="append", help="splits to measure on (default: valid)"
    )
    refit.add_argument("--seed", type=int, default=0, help="seed of every draw (default: 0)")
    refit.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to fit")
    refit.add_argument("--out", required=True, help="file of codebooks to write")
    refit.add_argument("--json", action="store_true", help="print JSON")
