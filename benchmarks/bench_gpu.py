"""Check the encoder on a CUDA device, then time it beside its peers, technique by technique and kernel by kernel.

Run it as ``make bench-gpu``, or with any Python that has torch ≥2.10, tokenizers, safetensors and numpy, as
``PYTHONPATH=inference:. python3 -m benchmarks.bench_gpu``; it fetches nothing. ``--device cpu --smoke`` runs every
line of it that needs no GPU on a tiny model.

This process touches no device. It starts the one that does (``gpu/worker.py``), starts it again where it was lost
without the step that lost it, and writes the tables anew whenever there are more figures.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu import report
from benchmarks.gpu.options import NO_DEVICE, WRONG, add_options, stem
from benchmarks.gpu.rows import Results
from benchmarks.gpu.supervise import Files, supervise
from benchmarks.report import results_folder, show_report


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 when the run came to its end, 1 when our vectors were wrong, 2 where there is no device, 3 else."""
    begun = time.time()
    options = _parser().parse_args(argv)
    out = options.out or (Path(os.environ["OUT"]) if os.environ.get("OUT") else None)
    partial = options.smoke or options.device == "cpu" or bool(options.only)
    folder = results_folder(out, options.cache, partial=partial)
    files = Files(folder, stem(options.dtype))
    files.clear()
    deadline = begun + 60 * options.minutes
    command = [sys.executable, "-m", "benchmarks.gpu.worker", *_worker_arguments(options, folder)]
    try:
        status = supervise([*command, "--deadline", f"{deadline:.1f}"], files, deadline, options.stall)
    except BaseException:  # ended from outside: what was measured shall be in the tables
        if files.csv.exists():
            files.write_tables(report.markdown(Results.read(files.csv)))
        raise
    if status == NO_DEVICE:
        print("bench-gpu needs a CUDA device and torch finds none; nothing was measured", file=sys.stderr)
        return NO_DEVICE
    results = Results.read(files.csv)
    files.write_tables(report.markdown(results))
    if _draw(files):
        files.write_tables(report.markdown(results, picture=files.png.name))
    print(f"{time.time() - begun:.0f} s", file=sys.stderr)
    show_report(files.markdown, files.markdown.read_text(encoding="utf-8"))
    if status == WRONG:
        print("the engine with all techniques was wrong or could not be had; see the tables", file=sys.stderr)
    return status


def _draw(files: Files) -> bool:
    """Draw the picture where matplotlib is; say why not, elsewhere."""
    try:
        from benchmarks.gpu_plot import draw
    except ImportError as error:
        print(f"no picture: {error}; python -m benchmarks.gpu_plot {files.csv} draws it elsewhere", file=sys.stderr)
        return False
    try:
        draw(Results.read(files.csv), files.png)
    except Exception as error:  # noqa: BLE001 - a picture is the least of a run
        print(f"no picture: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    return True


def _worker_arguments(options: argparse.Namespace, folder: Path) -> list[str]:
    arguments = ["--device", options.device, "--dtype", options.dtype]
    arguments += ["--cache", str(options.cache), "--folder", str(folder)]
    arguments += ["--smoke"] * options.smoke
    for part in options.only or []:
        arguments += ["--only", part]
    return [*arguments, *(["--commit", options.commit] if options.commit else [])]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench_gpu", description=__doc__)
    add_options(parser)
    parser.add_argument("--out", type=Path, help="folder for results (default $OUT, else benchmarks/results)")
    parser.add_argument("--minutes", type=float, default=7.5, help="when the run is over; what is left is cut")
    parser.add_argument("--stall", type=float, default=150.0, help="seconds without a step before one counts as hung")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the worker ends too
    sys.exit(main())
