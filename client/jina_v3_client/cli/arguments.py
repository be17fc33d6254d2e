"""The words of the command line and their help; knows nothing of what they do."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from jina_v3_client.cli.batch_arguments import add_batch
from jina_v3_client.cli.outputs import FORMATS as OUTPUT_FORMATS
from jina_v3_client.cli.words import (
    add_command,
    add_common,
    add_concurrency,
    add_input,
    add_json,
    add_parameters,
    at_least_1,
)
from jina_v3_client.parameters import VECTOR_FORMS

_DISTRIBUTION: Final = "jina-embeddings-v3-sagemaker"

_COMMANDS: Final = {
    "embed": (
        "[TEXT ...]",
        "embed texts: words, lines of standard input, or files of text, JSON lines, CSV and Parquet",
        "jina-v3 embed 'sunrise over the harbour' --task retrieval.query\n"
        "cat texts.txt | jina-v3 embed --dimensions 256 > vectors.jsonl\n"
        "jina-v3 embed --file documents.jsonl --field body --output vectors.parquet --errors return\n"
        "jina-v3 embed --file chapter1.txt chapter2.txt --late-chunking --output chapters.npy",
    ),
    "similarity": (
        "TEXT TEXT\n       jina-v3 similarity [options] --query TEXT [FILE ...]",
        "compare two texts, or rank the texts of files by a query",
        "jina-v3 similarity 'a red apple' 'ein roter Apfel'\n"
        "jina-v3 similarity --query 'how do I reset it?' answers.jsonl --top 5\n"
        "cat answers.txt | jina-v3 similarity --query 'how do I reset it?' | cut -f3",
    ),
    "batch": (
        "ACTION ...",
        "embed whole datasets: start runs, see how far they are, fetch their vectors",
        "jina-v3 batch submit documents.jsonl --task retrieval.passage --follow\n"
        "jina-v3 batch runs\n"
        "jina-v3 batch result RUN --output vectors.parquet",
    ),
    "endpoints": (
        "",
        "list the endpoints, inference components, routers and deployments of the region",
        "jina-v3 endpoints --region eu-west-1\njina-v3 endpoints --json | jq '.endpoints[].name'",
    ),
    "doctor": (
        "",
        "check what a call needs, from Python to the endpoint, and say how to mend what is wrong",
        "jina-v3 doctor --endpoint texts\njina-v3 doctor --deployment jina-v3 --profile work",
    ),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``jina-v3``."""
    parser = argparse.ArgumentParser(
        prog="jina-v3",
        usage="jina-v3 [options] COMMAND ...",
        description="Embed texts with jina-embeddings-v3 on Amazon SageMaker.",
        epilog="jina-v3 COMMAND --help has examples. Exit status: 0 done, 1 failed, 2 wrong words, 3 some texts could "
        "not be embedded (--errors return).",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version)
    add_common(parser, default=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", prog="jina-v3")
    parsers = {name: add_command(commands, name, *told) for name, told in _COMMANDS.items()}
    _add_embed(parsers["embed"])
    _add_similarity(parsers["similarity"])
    add_batch(parsers["batch"])
    for name in ("embed", "similarity"):
        add_concurrency(parsers[name])
    for name in ("similarity", "endpoints", "doctor"):
        add_json(parsers[name])
    return parser


def _add_embed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts; without any, or by -, lines of standard input")
    parser.add_argument(
        "--file",
        dest="files",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="files of texts (.txt, .jsonl, .csv, .parquet, also with .gz), - for standard input",
    )
    add_input(parser)
    add_parameters(parser, "the base weights, and no prompt")
    parser.add_argument(
        "--embedding-type", choices=VECTOR_FORMS, default="float", help="the form of the vectors (default: float)"
    )
    parser.add_argument(
        "--late-chunking",
        action="store_true",
        help="the texts of a file are the chunks of one document, and each vector knows the whole",
    )
    parser.add_argument(
        "--errors",
        choices=("raise", "return"),
        default="raise",
        help="what a bad text does: end the command, or become an error in the output (default: raise)",
    )
    parser.add_argument(
        "--output", "-o", metavar="FILE", help="where the vectors go: .jsonl, .npy or .parquet (default: JSON lines)"
    )
    parser.add_argument("--format", choices=OUTPUT_FORMATS, help="the output's form (default: by its file's name)")


def _add_similarity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "texts",
        nargs="*",
        metavar="TEXT|FILE",
        help="two texts; with --query files of texts, or none for standard input",
    )
    parser.add_argument("--query", metavar="TEXT", help="rank the texts of files by this")
    parser.add_argument("--top", type=at_least_1, default=10, metavar="N", help="how many are shown (default: 10)")
    add_input(parser)
    add_parameters(parser, "text-matching; with --query retrieval.query and retrieval.passage")


class _Version(argparse.Action):
    """Looks the version up only where it is asked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**(settings | {"nargs": 0, "help": "print the version"}))

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            sys.stdout.write(f"jina-v3 {version(_DISTRIBUTION)}\n")
        except PackageNotFoundError:
            sys.stdout.write("jina-v3, not installed\n")
        parser.exit()
