"""The program's options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from evaluation.mteb.sets import SETS
from jina_v3.contract import MODEL_DIMENSIONS

DEFAULT_OUTPUT: Final = Path(".cache/evaluation")
DEFAULT_TASKS: Final = "quick"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m evaluation.mteb``."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.mteb",
        description="Evaluate a model or a deployed endpoint by mteb, beside what was published of the model.",
        epilog=f"Sets of tasks: {', '.join(SETS)} (--list). Data sets and hub ids come from HF_ENDPOINT or, with "
        "HF_HUB_OFFLINE=1, from this machine's cache. docs/evaluation.md says what is compared with what.",
    )
    subject = parser.add_argument_group("what is evaluated")
    subject.add_argument("--model", default="", help="a model folder, or a hub id such as jinaai/jina-embeddings-v3")
    subject.add_argument("--endpoint", default="", help="a deployed endpoint's name or ARN")
    subject.add_argument("--region", help="of the endpoint")
    subject.add_argument("--profile", help="of AWS's configuration, for the endpoint")
    subject.add_argument("--revision", help="what results are kept by; for an endpoint, give what you deployed")
    parser.add_argument("--tasks", help=f"sets, benchmarks and tasks of mteb, with commas (default {DEFAULT_TASKS})")
    parser.add_argument("--languages", type=_codes, default=[], help="only these, ISO 639-3 with commas: deu,fra")
    parser.add_argument("--dimensions", type=_dimensions, help="with commas (default 1024; of matryoshka: all seven)")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="folder of results and tables, resumed")
    parser.add_argument("--list", action="store_true", help="list the sets, or with --tasks their tasks, and stop")
    engine = parser.add_argument_group("for a model")
    engine.add_argument("--device", help="cpu, cuda, cuda:1 (default: CUDA where there is one)")
    engine.add_argument("--dtype", help="float32, bfloat16, float16 … (default: the engine's for the device)")
    engine.add_argument("--batch-tokens", type=int, help="tokens that go through the model together")
    return parser


def _codes(text: str) -> list[str]:
    return [code for code in text.replace(" ", "").split(",") if code]


def _dimensions(text: str) -> tuple[int, ...]:
    try:
        found = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: numbers with commas, such as 64,256,1024") from None
    if not all(1 <= d <= MODEL_DIMENSIONS for d in found):
        raise argparse.ArgumentTypeError(f"{text!r}: each must be from 1 to {MODEL_DIMENSIONS}")
    return found
