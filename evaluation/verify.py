"""Compare a real checkpoint with the published values of jina-embeddings-v3.

Prints one line a value: passed or not, the measured error, what is allowed. Runs in float32.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from evaluation.checks import Outcome, verify
from evaluation.published import FOLDER, read_published
from jina_v3.encoder import Encoder
from jina_v3.errors import CheckpointError

_PASSED, _FAILED, _NO_CHECKPOINT = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 when every value agrees, 1 when one does not, 2 when there is nothing to compare."""
    options = _parser().parse_args(argv)
    if not options.model:
        print("error: no checkpoint given; make verify MODEL=folder or hub id", file=sys.stderr)
        return _NO_CHECKPOINT
    published = read_published(options.published)
    try:
        folder = _find(options.model)
        encoder = Encoder.from_folder(folder, device=options.device, dtype="float32")
    except (CheckpointError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _NO_CHECKPOINT
    token_ids = _token_ids(folder, published.token_states.text)
    print(f"{folder} in float32 on {encoder.device}, against the values in {options.published}:")
    return report(verify(encoder, published, token_ids))


def report(outcomes: Iterable[Outcome]) -> int:
    """Print a line an outcome and a summary; return the exit status."""
    passed = failed = 0
    for outcome in outcomes:
        passed, failed = passed + outcome.passed, failed + (not outcome.passed)
        mark = "pass" if outcome.passed else "FAIL"
        print(f"{mark}  {outcome.name:<56}  measured {outcome.measured:<10}  allowed {outcome.allowed}", flush=True)
    print(f"{passed} of {passed + failed} checks passed" + (f", {failed} FAILED" if failed else ""))
    return _FAILED if failed else _PASSED


def _find(model: str) -> Path:
    """Return the folder that ``model`` names, fetching a hub id."""
    if Path(model).is_dir():
        return Path(model)
    from jina_v3_infra.hub import HubError, fetch_model

    try:
        return fetch_model(model)
    except HubError as error:
        raise ValueError(str(error)) from error


def _token_ids(folder: Path, text: str) -> list[int]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()  # a file may come with either switched on
    tokenizer.no_truncation()
    return list(tokenizer.encode(text).ids)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evaluation.verify", description=__doc__)
    parser.add_argument("model", nargs="?", default="", help="a folder, or a hub id, which is fetched")
    parser.add_argument("--device", default="cpu", help="where to compute (default cpu, as the values were made)")
    parser.add_argument("--published", type=Path, default=FOLDER, help="folder of published values")
    return parser


if __name__ == "__main__":
    sys.exit(main())
