"""The measurements, each a number of interleaved rounds that end as records."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any, Final

import numpy as np

from benchmarks.client import contestants
from benchmarks.client.records import Record
from benchmarks.client.stream import short_texts
from benchmarks.loopback.endpoint import ROOT, LoopbackEndpoint
from benchmarks.loopback.hosting import Pace
from benchmarks.loopback.vectors import expected
from benchmarks.timing import Variant, interleave

MANY: Final = "many texts"
QUERY: Final = "one query"
STREAM: Final = "embed_iter"
IMPORT: Final = "import"
NOTHING, BOTO3_ALONE, OURS_AFTER_BOTO3 = "nothing", "boto3", "boto3, then our clients"
OURS_ALONE: Final = "jina_v3_client alone"
_IMPORTS: Final = {
    NOTHING: "pass",
    BOTO3_ALONE: "import boto3",
    OURS_ALONE: "import jina_v3_client",
    OURS_AFTER_BOTO3: "import boto3; from jina_v3_client import AsyncEmbeddingClient, EmbeddingClient",
}
Way = Callable[[], AbstractContextManager[contestants.Embed]]
WAYS: Final[Mapping[str, Way]] = {
    contestants.OURS: contestants.our_client,
    contestants.OURS_ASYNC: contestants.our_async_client,
    contestants.BOTO3_FLOATS: partial(contestants.hand_written, "float"),
    contestants.BOTO3_BASE64: partial(contestants.hand_written, "base64"),
    contestants.JINA_WAY: contestants.jina_way,
}


class WrongVectorsError(RuntimeError):
    """A way gave other vectors than it must; its time means nothing."""


@contextmanager
def called(endpoint: LoopbackEndpoint) -> Iterator[None]:
    """Let whatever calls AWS in this process, and in those it starts, call the endpoint and nobody else."""
    ours = {
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def measure_many(endpoint: LoopbackEndpoint, count: int, rounds: int) -> Iterator[Record]:
    """Embed many texts every way, as fast as each can, against an endpoint that costs nearly nothing."""
    endpoint.set_pace(None)
    yield from _rounds(MANY, list(WAYS), list(short_texts(count)), rounds)


def measure_share(endpoint: LoopbackEndpoint, count: int, rates: Sequence[int], rounds: int) -> Iterator[Record]:
    """Embed many texts against an endpoint that does so many a second and no more; tell what share ours reach."""
    for rate in rates:
        pace = Pace(slots=1, text_s=1 / rate)
        endpoint.set_pace(pace)
        for record in _rounds(paced_case(rate), [contestants.OURS, contestants.OURS_ASYNC], _texts(count), rounds):
            share = pace.seconds(count, 0) / record.value
            yield Record(record.case, record.variant, record.round, "share", share)
    endpoint.set_pace(None)


def paced_case(rate: int) -> str:
    """Name the case of an endpoint that does so many texts a second."""
    return f"{rate:,} texts/s"


def _texts(count: int) -> list[str]:
    return list(short_texts(count))


def _rounds(case: str, names: Sequence[str], texts: Sequence[str], rounds: int) -> Iterator[Record]:
    wanted = expected(texts, contestants.TASK)

    def check(name: str, vectors: Any) -> None:
        if not np.array_equal(np.asarray(vectors, np.float32), wanted):
            raise WrongVectorsError(f"{name}: not the vectors of these texts in their order")

    with ExitStack() as stack:
        embeds = {name: stack.enter_context(WAYS[name]()) for name in names}
        for name, embed in embeds.items():  # connections are opened, and what is imported late is imported
            check(name, [*embed(texts)])
        variants = [Variant(name, partial(embed, texts)) for name, embed in embeds.items()]
        timings = interleave(variants, rounds, min_rounds=rounds, label=case, inspect=check)
    for name, seconds in timings.seconds.items():
        yield from (Record(case, name, index, "seconds", each) for index, each in enumerate(seconds, 1) if each)


def measure_query(endpoint: LoopbackEndpoint, calls: int, rounds: int) -> Iterator[Record]:
    """Embed one query after the other; a round's figure is the median of its calls."""
    endpoint.set_pace(None)
    with ExitStack() as stack:
        asks = {
            contestants.OURS: stack.enter_context(contestants.our_query()),
            contestants.BOTO3: stack.enter_context(contestants.boto3_query()),
            contestants.BARE: stack.enter_context(contestants.bare_query(endpoint.url)),
        }
        for ask in asks.values():
            for _ in range(3):
                ask("warm")
        for index in range(1, rounds + 1):
            for name, ask in asks.items():
                seconds = [_timed(ask, f"query {number}") for number in range(calls)]
                yield Record(QUERY, name, index, "ms", 1000 * statistics.median(seconds))


def _timed(ask: Callable[[str], Any], text: str) -> float:
    began = time.perf_counter()
    ask(text)
    return time.perf_counter() - began


def measure_stream(endpoint: LoopbackEndpoint, count: int) -> Iterator[Record]:
    """Stream texts through ``embed_iter`` in a process of its own."""
    endpoint.set_pace(None)
    figures = json.loads(_python("-m", "benchmarks.client.stream", str(count)))
    yield from (Record(STREAM, contestants.OURS, 1, figure, value) for figure, value in figures.items())


def measure_imports(rounds: int) -> Iterator[Record]:
    """Import in fresh processes, whose files the system has in memory after the first round, which does not count."""
    for index in range(rounds + 1):
        for name, statement in _IMPORTS.items():
            began = time.perf_counter()
            _python("-c", statement)
            if index:
                yield Record(IMPORT, name, index, "ms", 1000 * (time.perf_counter() - began))


def _python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout
