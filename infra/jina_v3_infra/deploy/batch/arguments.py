"""The words of `jina-v3-infra batch` and their help; knows nothing of what they do."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final, get_args

from jina_v3_infra.config.batch import EmbeddingType, TaskName

_EXAMPLES: Final = {
    "start": (
        "embed a dataset: an s3:// place, or a file or folder of this machine, which is uploaded first",
        "jina-v3-infra batch start s3://bucket/documents/ --task retrieval.passage --follow\n"
        "jina-v3-infra batch start ./documents/ --dry-run     # what it would take and cost\n"
        "jina-v3-infra batch start s3://bucket/articles/ --text-field body --id-field doc_id\n"
        "jina-v3-infra batch start --resume RUN               # only what that run left outstanding",
    ),
    "status": (
        "list the runs, or say how far one is",
        "jina-v3-infra batch status\njina-v3-infra batch status RUN --follow",
    ),
    "report": ("print a run's report", "jina-v3-infra batch report RUN"),
    "stop": ("stop a run and its jobs; what was verified stays", "jina-v3-infra batch stop RUN"),
}


def add_batch(parser: argparse.ArgumentParser, add_common: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add the commands under `batch`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    parsers = {}
    for name, (summary, examples) in _EXAMPLES.items():
        parsers[name] = actions.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog="\n".join(["examples:", *(f"  {line}" for line in examples.splitlines())]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        add_common(parsers[name])
    _add_start(parsers["start"])
    parsers["status"].add_argument("run", nargs="?", metavar="RUN")
    parsers["report"].add_argument("run", metavar="RUN")
    parsers["stop"].add_argument("run", metavar="RUN")
    parsers["status"].add_argument("--follow", action="store_true", help="stay with it until it ends")


def _add_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", metavar="DATASET", help="s3://bucket/folder/, a file or a folder")
    parser.add_argument("--task", choices=(*get_args(TaskName), "none"), help="of records that name none")
    parser.add_argument("--dimensions", type=int, help="of records that name none, 1 to 1024")
    parser.add_argument("--embedding-type", choices=get_args(EmbeddingType), help="of records that name none")
    parser.add_argument(
        "--format", choices=("auto", "jsonl", "csv", "parquet"), help="by default from the files' names"
    )
    parser.add_argument("--text-field", metavar="NAME", help="the field, or column, that has the text (default: text)")
    parser.add_argument("--id-field", metavar="NAME", help="the field, or column, that has the id (default: id)")
    parser.add_argument(
        "--allow-missing-text", action="store_true", help="embed the rest where most of the records have no text"
    )
    parser.add_argument("--output", metavar="S3_PLACE", help="where the vectors go (default: the deployment's bucket)")
    parser.add_argument("--instances", type=int, help="machines of one job (default: the configuration's)")
    parser.add_argument("--max-usd", type=float, help="refuse the run if it is estimated to cost more")
    parser.add_argument("--resume", metavar="RUN", help="embed only what an earlier run left outstanding")
    parser.add_argument("--dry-run", action="store_true", help="plan and estimate, embed nothing")
    parser.add_argument("--follow", action="store_true", help="stay with it until it ends; exit status 0 if complete")
