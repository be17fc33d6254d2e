"""The words of the command line and their help; knows nothing of what they do."""

from __future__ import annotations

import argparse
from typing import Any, Final

from jina_v3.contract import MODEL_DIMENSIONS, TASKS
from jina_v3_client.cli.outputs import FORMATS as OUTPUT_FORMATS
from jina_v3_client.cli.records import FORMATS as INPUT_FORMATS
from jina_v3_client.parameters import VECTOR_FORMS

_DISTRIBUTION: Final = "jina-embeddings-v3-sagemaker"

_COMMANDS: Final = {
    "embed": (
        "embed texts: words, lines of standard input, or files of text, JSON lines and CSV",
        "jina-v3 embed 'sunrise over the harbour' --task retrieval.query\n"
        "cat texts.txt | jina-v3 embed --dimensions 256 > vectors.jsonl\n"
        "jina-v3 embed --file documents.jsonl --field body --output vectors.parquet --errors return\n"
        "jina-v3 embed --file chapter1.txt chapter2.txt --late-chunking --output chapters.npy",
    ),
    "similarity": (
        "compare two texts, or rank the texts of files by a query",
        "jina-v3 similarity 'a red apple' 'ein roter Apfel'\n"
        "jina-v3 similarity --query 'how do I reset it?' answers.jsonl --top 5\n"
        "cat answers.txt | jina-v3 similarity --query 'how do I reset it?' | cut -f3",
    ),
    "endpoints": (
        "list the endpoints, inference components, routers and deployments of the region",
        "jina-v3 endpoints --region eu-west-1\njina-v3 endpoints --json | jq '.endpoints[].name'",
    ),
    "doctor": (
        "check what a call needs, from Python to the endpoint, and say how to mend what is wrong",
        "jina-v3 doctor --endpoint texts\njina-v3 doctor --deployment jina-v3 --profile work",
    ),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``jina-v3``."""
    parser = argparse.ArgumentParser(
        prog="jina-v3",
        description="Embed texts with jina-embeddings-v3 on Amazon SageMaker.",
        epilog="jina-v3 COMMAND --help has examples. Exit status: 0 done, 1 failed, 2 wrong words, 3 some texts could "
        "not be embedded (--errors return).",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version)
    _add_common(parser, default=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    parsers = {name: add_command(commands, name, *told) for name, told in _COMMANDS.items()}
    _add_embed(parsers["embed"])
    _add_similarity(parsers["similarity"])
    for name in ("similarity", "endpoints", "doctor"):
        add_json(parsers[name])
    return parser


def add_command(commands: Any, name: str, summary: str, examples: str) -> argparse.ArgumentParser:
    """Add a command that has the common options, before it or behind it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_common(parser, default=argparse.SUPPRESS)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the form for programs."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_common(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Add what every command has; a default that is suppressed leaves what stands before the command."""
    common = parser.add_argument_group("whom to ask")
    told = {
        "endpoint": ("NAME", "the endpoint, by name or ARN (default: $JINA_V3_ENDPOINT)"),
        "deployment": ("NAME", "a deployment of jina-v3-infra, by its name (default: $JINA_V3_DEPLOYMENT)"),
        "router": ("NAME", "an inference router, by name or ARN"),
        "variant": ("NAME", "the endpoint's variant (default: by weight)"),
        "inference-component": ("NAME", "the endpoint's inference component"),
        "region": ("REGION", "the AWS region (default: what boto3 finds)"),
        "profile": ("NAME", "the AWS profile (default: what boto3 finds)"),
    }
    for name, (metavar, text) in told.items():
        common.add_argument(f"--{name}", metavar=metavar, help=text, default=default)
    parser.add_argument(
        "--verbose", action="store_true", default=default or False, help="log what is done, and show tracebacks"
    )


def _add_embed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts; without any, lines of standard input")
    parser.add_argument(
        "--file",
        dest="files",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="files of texts (.txt, .jsonl, .csv), - for standard input",
    )
    _add_input(parser)
    _add_parameters(parser, "the base weights, and no prompt")
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
    parser.add_argument("--top", type=_at_least_1, default=10, metavar="N", help="how many are shown (default: 10)")
    _add_input(parser)
    _add_parameters(parser, "text-matching; with --query retrieval.query and retrieval.passage")


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input-format", choices=INPUT_FORMATS, help="the files' form (default: by their names; of stdin txt)"
    )
    parser.add_argument(
        "--field", default="text", help="the field of JSON lines, or column of CSV, that is the text (default: text)"
    )


def _add_parameters(parser: argparse.ArgumentParser, task: str) -> None:
    parser.add_argument("--task", choices=(*TASKS, "none"), help=f"what the vectors are for (default: {task})")
    parser.add_argument(
        "--dimensions",
        type=int,
        default=MODEL_DIMENSIONS,
        metavar="N",
        help=f"1 to {MODEL_DIMENSIONS} (default: {MODEL_DIMENSIONS})",
    )
    parser.add_argument("--truncate", action="store_true", help="cut texts that are too long (default: an error)")


def _at_least_1(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} must be at least 1")
    return number


class _Version(argparse.Action):
    """Looks the version up only where it is asked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**(settings | {"nargs": 0, "help": "print the version"}))

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            parser.exit(message=f"jina-v3 {version(_DISTRIBUTION)}\n")
        except PackageNotFoundError:
            parser.exit(message="jina-v3, not installed\n")
