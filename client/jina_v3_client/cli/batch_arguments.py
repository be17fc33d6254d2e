"""The words of ``jina-v3 batch`` and their help."""

from __future__ import annotations

import argparse
import math
from typing import Final

from jina_v3.contract import MODEL_DIMENSIONS, TASKS
from jina_v3_client.cli.outputs import FORMATS as OUTPUT_FORMATS
from jina_v3_client.cli.words import add_command, add_input, add_json, at_least_1
from jina_v3_client.parameters import VECTOR_FORMS

_ACTIONS: Final = {
    "submit": (
        "[DATA]",
        "start a run over a place in S3, a file or folder of this machine, or standard input",
        "jina-v3 batch submit s3://bucket/documents/ --task retrieval.passage --dimensions 256\n"
        "jina-v3 batch submit s3://bucket/articles/ --text-field body --id-field doc_id --dry-run\n"
        "jina-v3 batch submit documents.jsonl --text-field body --max-usd 5 --follow\n"
        "jina-v3 batch submit --resume documents-20260301 --follow",
    ),
    "status": ("RUN", "say how far a run is", "jina-v3 batch status documents-20260301 --follow"),
    "report": (
        "RUN",
        "say what became of a run, or what it is planned to cost",
        "jina-v3 batch report documents-20260301\njina-v3 batch report documents-20260301 --json | jq .estimate.usd",
    ),
    "result": (
        "RUN",
        "fetch a run's vectors, and its bad records with their reasons",
        "jina-v3 batch result documents-20260301 --output vectors.parquet\n"
        "jina-v3 batch result documents-20260301 | jq 'select(.error)'",
    ),
    "stop": ("RUN", "stop a run; what it has embedded stays", "jina-v3 batch stop documents-20260301"),
    "runs": ("", "list the newest runs", "jina-v3 batch runs --count 50 --json"),
}


def add_batch(parser: argparse.ArgumentParser) -> None:
    """Add what can be done with runs."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, prog="jina-v3 batch")
    parsers = {name: add_command(actions, f"batch {name}", *told) for name, told in _ACTIONS.items()}
    _add_submit(parsers["submit"])
    for name in ("status", "report", "result", "stop"):
        parsers[name].add_argument("run", metavar="RUN", help="the run's name")
    for name in ("submit", "status"):
        parsers[name].add_argument("--follow", action="store_true", help="wait for the run's end; Ctrl-C leaves it be")
    for name in ("submit", "status", "report", "runs"):
        add_json(parsers[name])
    result = parsers["result"]
    result.add_argument(
        "--output", "-o", metavar="FILE", help="where the vectors go: .jsonl, .npy or .parquet (default: JSON lines)"
    )
    result.add_argument("--format", choices=OUTPUT_FORMATS, help="the output's form (default: by its file's name)")
    result.add_argument("--partial", action="store_true", help="what is there of a run that is incomplete")
    parsers["runs"].add_argument(
        "--count", type=at_least_1, default=20, metavar="N", help="how many are shown (default: 20)"
    )


def _add_submit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="s3://bucket/folder/, a file (.jsonl, .csv, .parquet, .txt) or folder, - for standard input; CSV may "
        "begin with the names of its columns",
    )
    add_input(parser)
    kept = "(default: the deployment's)"
    parser.add_argument(
        "--task", choices=(*(task.value for task in TASKS), "none"), help=f"what the vectors are for {kept}"
    )
    parser.add_argument("--dimensions", type=int, metavar="N", help=f"1 to {MODEL_DIMENSIONS} {kept}")
    parser.add_argument("--embedding-type", choices=(*VECTOR_FORMS, "base64"), help=f"the form of the vectors {kept}")
    parser.add_argument("--name", help="the run's name (default: made from the data and the time)")
    parser.add_argument("--instances", type=at_least_1, metavar="N", help=f"machines at a time {kept}")
    parser.add_argument("--max-usd", type=_dollars, metavar="USD", help="refuse a run that is estimated to cost more")
    parser.add_argument("--dry-run", action="store_true", help="plan it, and say what it would cost; embed nothing")
    parser.add_argument(
        "--allow-missing-text", action="store_true", help="embed the rest where most of the records have no text"
    )
    parser.add_argument("--resume", metavar="RUN", help="embed only what an earlier run has left")


def _dollars(word: str) -> float:
    """Read an amount. **Raises**: ``ArgumentTypeError``, ``ValueError``."""
    usd = float(word)
    if not 0 < usd < math.inf:
        raise argparse.ArgumentTypeError(f"{word} must be a number above 0")
    return usd
