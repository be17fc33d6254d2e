"""Words that several commands understand alike."""

from __future__ import annotations

import argparse
from typing import Any

from jina_v3.contract import MODEL_DIMENSIONS, TASKS
from jina_v3.record_fields import USUAL, RecordFields
from jina_v3_client.cli.records import FORMATS as INPUT_FORMATS


def add_command(commands: Any, name: str, usage: str, summary: str, examples: str) -> argparse.ArgumentParser:
    """Add a command, by its words, that has the common options before it or behind it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name.rpartition(" ")[2],
        usage=f"jina-v3 {name} [options] {usage}".rstrip(),
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_common(parser, default=argparse.SUPPRESS)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the form for programs."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_common(parser: argparse.ArgumentParser, default: str | None) -> None:
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


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add how files of texts are read."""
    parser.add_argument(
        "--input-format", choices=INPUT_FORMATS, help="the files' form (default: by their names; of stdin txt)"
    )
    parser.add_argument(
        "--text-field",
        "--field",
        default=USUAL.text_name,
        dest="text_field",
        metavar="NAME",
        help="the field of JSON lines, or column of CSV and Parquet, that is the text (default: text)",
    )
    parser.add_argument(
        "--id-field", default=USUAL.id_name, metavar="NAME", help="the field, or column, that is the id (default: id)"
    )


def read_fields(words: argparse.Namespace) -> RecordFields:
    """Return where texts and ids are; a usual name counts as none that was given."""
    text, record_id = words.text_field, words.id_field
    return RecordFields(None if text == USUAL.text_name else text, None if record_id == USUAL.id_name else record_id)


def add_parameters(parser: argparse.ArgumentParser, task: str) -> None:
    """Add the contract's parameters; ``task`` says what stands where none is named."""
    parser.add_argument(
        "--task", choices=(*(task.value for task in TASKS), "none"), help=f"what the vectors are for (default: {task})"
    )
    parser.add_argument(
        "--dimensions",
        type=int,
        default=MODEL_DIMENSIONS,
        metavar="N",
        help=f"1 to {MODEL_DIMENSIONS} (default: {MODEL_DIMENSIONS})",
    )
    parser.add_argument("--truncate", action="store_true", help="cut texts that are too long (default: an error)")


def at_least_1(word: str) -> int:
    """Read a number of things. **Raises**: ``ArgumentTypeError``, ``ValueError``."""
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} must be at least 1")
    return number


def add_concurrency(parser: argparse.ArgumentParser) -> None:
    """Add how much is asked of an endpoint at once."""
    parser.add_argument(
        "--concurrency",
        type=at_least_1,
        metavar="N",
        help="requests at the same time (default: 8; fewer for a small endpoint)",
    )
