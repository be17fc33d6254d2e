"""What more texts take: queries a second, dollars, bytes of vectors and of indexes. ``python -m benchmarks.growing``.

Writes the tables of ``docs/growing.md`` anew. It is arithmetic: speeds are the estimates that the deployment and the
batch runs plan with (``jina_v3_infra.throughput``, ``benchmarks.gpu_costs``); prices are the table's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.gpu_costs import estimate
from jina_v3.contract import MODEL_DIMENSIONS
from jina_v3_infra.config.instances import instance_type
from jina_v3_infra.throughput import tokens_per_s

PAGE: Final = Path(__file__).parents[1] / "docs" / "growing.md"
MACHINES: Final = ("ml.g6.xlarge", "ml.g5.xlarge", "ml.g6e.xlarge", "ml.g6.12xlarge", "ml.g6e.12xlarge")
CHEAPEST: Final = "ml.g6.xlarge"
DOCUMENT_TOKENS: Final = 230
"""Of 800 bytes of text; docs/batch-scale.md has the same."""
QUERY_TOKENS: Final = 28
"""Of a question: 16, and 12 of the task's prompt."""
COUNTS: Final = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
PUBLISHED: Final = {"text-embedding-3-small": 0.02, "text-embedding-3-large": 0.13}
"""Dollars a million tokens. **Source**: developers.openai.com, the models' pages, 2026."""
NDCG: Final = {1024: 63.35, 768: 63.30, 512: 63.16, 256: 62.72, 128: 61.64, 64: 58.54, 32: 52.54}
"""Retrieval by dimensions. **Source**: arXiv 2409.10173, the table of Matryoshka dimensions."""
LINKS: Final = 32
"""M of an HNSW index: its lowest layer keeps twice as many neighbours for each vector, four bytes each."""
PQ_BYTES: Final = 64
"""Of a vector's code by product quantisation; with its number, eight bytes more."""
S3_USD_PER_GB: Final = 0.023
_BLOCK: Final = re.compile(r"(<!-- python -m benchmarks\.growing (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def hours(machine: str, documents: int) -> float:
    """Return the hours that one machine takes which is never idle."""
    speed = tokens_per_s(instance_type(machine))
    assert speed is not None
    return documents * DOCUMENT_TOKENS / speed / 3600


def dollars(machine: str, documents: int) -> float:
    """Return what these hours cost."""
    return hours(machine, documents) * price(machine)


def price(machine: str) -> float:
    """Return dollars an hour."""
    usd = instance_type(machine).usd_per_hour
    assert usd is not None
    return usd


def queries_per_s(machine: str) -> tuple[float, float]:
    """Return how many queries all GPUs of a machine encode in full batches, at both ends of the estimate."""
    kind = instance_type(machine)
    assert kind.gpu is not None
    rate = estimate(kind.gpu, QUERY_TOKENS)
    return kind.gpus * rate.low / QUERY_TOKENS, kind.gpus * rate.high / QUERY_TOKENS


def break_even_tokens_per_s(machine: str, usd_per_million: float) -> float:
    """Return the rate from which on a machine that is always there costs less than a price by the token."""
    return price(machine) / 3600 / usd_per_million * 1e6


def vector_bytes(dimensions: int) -> dict[str, int]:
    """Return the bytes of a vector by form."""
    return {"float32": 4 * dimensions, "int8": dimensions, "binary": (dimensions + 7) // 8}


def _machines() -> str:
    lines = ["| machine | GPUs | $ an hour | queries/s | $ a million queries | documents/s | hours for 1 billion | $ |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|")
    for name in MACHINES:
        kind = instance_type(name)
        assert kind.gpu is not None
        low, high = queries_per_s(name)
        million = [price(name) / 3600 * 1e6 / rate for rate in (high, low)]
        took = hours(name, COUNTS[-1])
        lines.append(
            f"| `{name}` | {kind.gpus} × {kind.gpu.name} | {price(name):.2f} | {_three(low)}–{_three(high)} | "
            f"{million[0]:.2f}–{million[1]:.2f} | {_three(COUNTS[-1] / took / 3600)} | {_three(took)} | "
            f"{_three(dollars(name, COUNTS[-1]))} |"
        )
    return "\n".join(lines)


def _anew() -> str:
    names = [f"{name}, ${usd:.2f} a million tokens" for name, usd in PUBLISHED.items()]
    lines = [f"| documents | tokens | hours of one `{CHEAPEST}` | $ here | {' | '.join(names)} |"]
    lines.append("|---:|---:|---:|---:|" + "---:|" * len(names))
    for count in COUNTS:
        tokens = count * DOCUMENT_TOKENS
        cells = [f"{count:,}", f"{tokens / 1e9:,.2f} billion", _hours(hours(CHEAPEST, count))]
        cells.append(f"{dollars(CHEAPEST, count):,.2f}")
        cells += [f"{tokens / 1e6 * usd:,.2f}" for usd in PUBLISHED.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _break_even() -> str:
    speed = tokens_per_s(instance_type(CHEAPEST))
    assert speed is not None
    lines = [
        "| price by the token | a machine is cheaper from | share of the time that it must be busy |",
        "|---|---:|---:|",
    ]
    for name, usd in PUBLISHED.items():
        rate = break_even_tokens_per_s(CHEAPEST, usd)
        lines.append(f"| {name}, ${usd:.2f} a million tokens | {_three(rate)} tokens/s | {rate / speed:.0%} |")
    return "\n".join(lines)


def _vectors() -> str:
    lines = ["| dimensions | nDCG@10 (paper) | float32 | int8 | binary | float32 in HNSW | S3 for float32, $ a month |"]
    lines.append("|---:|---:|---:|---:|---:|---:|---:|")
    for dimensions, ndcg in NDCG.items():
        forms = vector_bytes(dimensions)
        linked = forms["float32"] + 2 * LINKS * 4
        cells = [f"{size:,} GB" for size in (*forms.values(), linked)]
        cells.append(_three(forms["float32"] * S3_USD_PER_GB))
        lines.append(f"| {dimensions} | {ndcg:.2f} | {' | '.join(cells)} |")
    assert MODEL_DIMENSIONS in NDCG
    return "\n".join(lines)


TABLES: Final[dict[str, Callable[[], str]]] = {
    "machines": _machines,
    "anew": _anew,
    "break_even": _break_even,
    "vectors": _vectors,
}


def page_with(text: str) -> str:
    """Return a page with all tables in their places.

    **Raises**: ``ValueError`` where one has none.
    """
    missing = TABLES.keys() - {found[2] for found in _BLOCK.finditer(text)}
    if missing:
        raise ValueError(f"the page has no place for {', '.join(sorted(missing))}")
    return _BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def main() -> int:
    """Rewrite the page in place."""
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _three(value: float) -> str:
    """Write three digits, which is more than an estimate is worth."""
    return f"{float(f'{value:.3g}'):,g}" if value < 1e6 else f"{float(f'{value:.3g}'):,.0f}"


def _hours(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else _three(value)


if __name__ == "__main__":
    sys.exit(main())
