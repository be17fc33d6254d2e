"""A process that streams texts through ``embed_iter`` and tells its peak memory: ``python -m … texts``.

Every tenth vector is compared with what it must be. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.loopback.vectors import expected
from jina_v3_client import EmbeddingClient

_SAMPLED: Final = 10
ENDPOINT: Final = "texts"
REGION: Final = "eu-west-1"


def short_texts(count: int) -> Iterator[str]:
    """Yield different texts of about eight words."""
    return (f"short text {number} of many that flow through here" for number in range(count))


def peak_mb() -> float:
    """Return the most memory that this program has had; ``ru_maxrss`` would count that of the process it came from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def main(count: int) -> None:
    """Stream the texts and print what it took."""
    with EmbeddingClient(ENDPOINT, region=REGION) as client:
        client.embed_query("what is imported is imported now")
        before_mb, began, seen = peak_mb(), time.perf_counter(), 0
        embedded = client.embed_iter(short_texts(count), task="text-matching", progress=False)
        for text, one in zip(short_texts(count), embedded, strict=True):
            assert one.index == seen
            if seen % _SAMPLED == 0:
                assert np.array_equal(one.vector, expected([text], "text-matching")[0])  # type: ignore[arg-type]
            seen += 1
        seconds = time.perf_counter() - began
    figures = {"texts": seen, "seconds": seconds, "before_mb": before_mb, "peak_mb": peak_mb()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
