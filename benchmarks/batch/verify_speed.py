"""`python -m benchmarks.batch.verify_speed`: how fast one core verifies a batch run's outputs beside their inputs.

Data lies in memory. Each round verifies a file and parses the same outputs by ``json.loads`` alone, so that a machine
whose speed drifts slows both; seconds are of the process's CPU.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import statistics
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from jina_v3_batch.lines import CHUNK_BYTES, Line, split_lines
from jina_v3_batch.pairing import pair
from jina_v3_batch.records_in import Form

_TEXT: Final = "The harbour is old, and it floods in spring. " * 18  # 800 bytes, as a document of docs/batch-scale.md
_FORMS: Final = (Form("float", 1024), Form("base64", 1024), Form("float", 256))


def make_file(form: Form, records: int, seed: int = 0) -> tuple[bytes, bytes]:
    """Return an input and its output; vectors have as many digits as float32 takes."""
    chance = random.Random(seed)
    inputs, outputs = [], []
    for number in range(records):
        vector = struct.pack(f"<{form.dimensions}f", *(chance.gauss(0.0, 0.03) for _ in range(form.dimensions)))
        values = struct.unpack(f"<{form.dimensions}f", vector)
        embedding = (
            f'"{base64.b64encode(vector).decode()}"'
            if form.types == "base64"
            else f"[{','.join(f'{value:.9g}' for value in values)}]"
        )
        inputs.append(json.dumps({"id": f"doc-{number:08d}", "text": _TEXT, "language": "en"}))
        outputs.append(f'{{"language":"en","id":"doc-{number:08d}","embedding":{embedding},"tokens":230}}')
    return "\n".join(inputs).encode() + b"\n", "\n".join(outputs).encode() + b"\n"


def measure(form: Form, records: int, rounds: int) -> str:
    """Return a row of the table."""
    sent, received = make_file(form, records)

    def verify() -> int:
        return pair(_lines(sent), _lines(received), "jsonl", form, lambda _line, _out: None).embedded

    def parse() -> int:
        return sum("embedding" in json.loads(line.data or b"") for line in _lines(received))

    seconds = [(_time(verify, records), _time(parse, records)) for _ in range(rounds)]
    ours, theirs = min(one for one, _ in seconds), min(other for _, other in seconds)
    ratio = statistics.median(other / one for one, other in seconds)
    read = len(sent) + len(received)
    return (
        f"| {form.dimensions}, {form.types} | {len(received) / records:,.0f} | {read / ours / 1e6:,.0f} "
        f"| {records / ours:,.0f} | {len(received) / theirs / 1e6:,.0f} | {records / theirs:,.0f} | {ratio:.1f}× |"
    )


def _lines(data: bytes) -> Iterator[Line]:
    return split_lines(data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES))


def _time(work: Callable[[], int], records: int) -> float:
    """Return the CPU seconds of a call that finds all records."""
    started = time.process_time()
    found = work()
    seconds = time.process_time() - started
    if found != records:
        raise ValueError(f"{found} of {records} records were found; figures of wrong work say nothing")
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every form and print a table; the best round's rates, and the median of the rounds' ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch.verify_speed", description=__doc__)
    parser.add_argument("--records", type=int, default=4000, help="of a file (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    print("| vectors | bytes a record | verified: MB/s | records/s | json.loads: MB/s | records/s | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for form in _FORMS:
        print(measure(form, options.records, options.rounds), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
