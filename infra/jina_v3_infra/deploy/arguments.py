"""The words of the command line and their help; knows nothing of what they do."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from jina_v3_infra.deploy.batch.arguments import add_batch
from jina_v3_infra.deploy.deployment import STEPS

DEFAULT_CONFIG: Final = Path("jina-v3.toml")

_COMMANDS: Final = {
    "preflight": (
        "check everything that can be known before anything is deployed, and say what it will cost",
        "jina-v3-infra preflight --config production.toml\n"
        "jina-v3-infra preflight -c endpoint.variants.0.instance_type=ml.g5.xlarge --region eu-west-1",
    ),
    "deploy": (
        "deploy: preflight, the CDK's toolkit, foundation, model and image, endpoint, batch transform",
        "jina-v3-infra deploy --yes\n"
        "jina-v3-infra deploy --from publish            # go on where it broke off\n"
        "jina-v3-infra deploy --until publish           # all but the endpoint: nothing bills by the hour",
    ),
    "destroy": (
        "delete endpoint, batch transform, what was published, the foundation; data that cannot be made again is kept",
        "jina-v3-infra destroy\njina-v3-infra destroy --delete-data --yes     # captured data, datasets, vectors too",
    ),
    "status": (
        "say how endpoint and batch runs stand, and what a deployment would change",
        "jina-v3-infra status --profile work",
    ),
    "batch": (
        "embed datasets in S3: start runs, see how far they are, read their reports",
        "jina-v3-infra batch start s3://bucket/documents/ --follow\njina-v3-infra batch status",
    ),
    "config": (
        "print the whole configuration as TOML, defaults included",
        "jina-v3-infra config -c region=eu-west-1\njina-v3-infra config --reference > docs/configuration.md",
    ),
    "cdk": (
        "call the CDK's own command line with this app, configuration and Node",
        "jina-v3-infra cdk diff\njina-v3-infra cdk --config production.toml synth jina-v3-endpoint",
    ),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``jina-v3-infra``."""
    parser = argparse.ArgumentParser(
        prog="jina-v3-infra",
        description="Deploy jina-embeddings-v3 to Amazon SageMaker, see how it stands, and take it away again.",
        epilog="jina-v3-infra COMMAND --help has examples. docs/deploy.md tells more.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parsers = {}
    for name, (summary, examples) in _COMMANDS.items():
        parsers[name] = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=f"examples:\n{_indented(examples)}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name != "batch":  # its actions have them
            _add_common(parsers[name])
    _add_deploy(parsers["deploy"])
    _add_destroy(parsers["destroy"])
    add_batch(parsers["batch"], _add_common)
    parsers["config"].add_argument("--reference", action="store_true", help="print what each field means, as Markdown")
    parsers["cdk"].usage = "jina-v3-infra cdk [options] WORDS OF THE CDK ..."
    parsers["cdk"].set_defaults(words=[])
    return parser


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; of ``cdk`` everything after our own options is left as it is, in ``words``."""
    own, words = _split_cdk(arguments)
    parsed = build_parser().parse_args(own)
    parsed.words = words
    return parsed


def _split_cdk(arguments: list[str]) -> tuple[list[str], list[str]]:
    if arguments[:1] != ["cdk"]:
        return arguments, []
    end = 1
    while end < len(arguments):
        word = arguments[end]
        if word in ("--config", "-c", "--profile", "--region"):
            end += 2
        elif word in ("-h", "--help") or word.startswith(("--config=", "--profile=", "--region=")):
            end += 1
        else:
            break
    return arguments[:end], arguments[end:]


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the configuration, TOML or YAML (default: {DEFAULT_CONFIG} of this folder if it is there)",
    )
    parser.add_argument(
        "-c",
        dest="overrides",
        action="append",
        default=[],
        metavar="PLACE=VALUE",
        help="override a field, such as endpoint.variants.0.instance_type=ml.g5.xlarge; may be repeated",
    )
    parser.add_argument("--profile", help="the AWS profile to use (default: what boto3 finds)")
    parser.add_argument("--region", help="short for -c region=...")


def _add_deploy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask (it asks on a terminal only)")
    parser.add_argument("--skip-preflight", action="store_true", help="deploy without checking first")
    parser.add_argument("--from", dest="first", choices=STEPS, metavar="STEP", help=f"begin at: {', '.join(STEPS)}")
    parser.add_argument("--until", dest="last", choices=STEPS, metavar="STEP", help="end after this step")


def _add_destroy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--delete-data", action="store_true", help="also what cannot be made again: captured data, datasets, vectors"
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
