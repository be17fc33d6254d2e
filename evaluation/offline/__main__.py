"""`python -m evaluation.offline`: prove the machinery of an evaluation on a stand-in. Offline, some seconds."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluation.mteb.engine import EngineClient
from evaluation.offline.oracle import Oracle
from evaluation.offline.standin import write_bag_of_words
from evaluation.offline.suite import VECTOR_TOLERANCE, Result, run
from evaluation.offline.texts import make_inputs
from jina_v3.encoder import Encoder

_NOTICE = (
    "A stand-in whose vectors can be computed by hand. The scores prove that texts get their adapter, prompt, mean, "
    "row, cut and span; they say nothing about jina-embeddings-v3."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 when every task agrees with the oracle, else 1."""
    argparse.ArgumentParser(prog="python -m evaluation.offline", description=_NOTICE).parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        model = write_bag_of_words(Path(folder) / "model")
        client = EngineClient(Encoder.from_folder(model, device="cpu", dtype="float32"))
        results = list(run(client, Oracle(model), make_inputs()))
    _draw(results, Console(width=None if sys.stdout.isatty() else 110, highlight=False))
    return 0 if all(result.passed for result in results) else 1


def _draw(results: Sequence[Result], console: Console) -> None:
    table = Table("task", "measure", caption=_NOTICE, caption_justify="left")
    for name in ("score", "oracle", "values off by", "allowed"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in results:
        cells = (f"{one.score:.4f}", f"{one.expected:.4f}", f"{one.off:.1e}", f"{VECTOR_TOLERANCE:.0e}")
        table.add_row(one.name, one.measure, *cells, "pass" if one.passed else "FAIL")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
