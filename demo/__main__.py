"""`python -m demo`: serve a model as the container does, embed texts in twelve languages, show the rankings."""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from demo import report
from demo.checkpoint import STANDIN_CONFIG, standin_folder
from demo.corpus import Corpus, load_corpus
from demo.ranking import Ranking, rank
from demo.server import Server, ServerError, serving
from jina_v3.contract import Task
from jina_v3_infra.artifact import ArtifactError
from jina_v3_infra.hub import LICENCE_NOTICE, HubError, fetch_model

DIMENSIONS = (1024, 256, 32)
_PROGRESS_EVERY_S = 10.0
_STANDIN_NOTICE = (
    "This is a stand-in, and it is untrained: the model's architecture with "
    f"{STANDIN_CONFIG.layers} layers instead of 24 and random weights, scaled so that rarer shared words count. "
    "It has learned nothing, and its rankings only follow the words that texts share. "
    "It finds a passage that repeats the query's words; "
    "that a passage in another language means the same, it cannot know.",
    "",
    "For the real model, give a folder or a hub id (1.1 GB are fetched once):",
    "    make demo MODEL=jinaai/jina-embeddings-v3",
    LICENCE_NOTICE,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--model", help="a model folder, or a hub id such as jinaai/jina-embeddings-v3")
    parser.add_argument("--keep", action="store_true", help="leave the server running at the end, until Ctrl-C")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)  # so that the server is stopped however the demo ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # many scripts, perhaps a narrow terminal
    console = report.make_console()
    try:
        _run(console, options.model, keep=options.keep)
    except (HubError, ArtifactError, ServerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def _run(console: Console, model: str | None, *, keep: bool) -> None:
    """Show everything, with the server up for just as long."""
    corpus = load_corpus()
    folder = _find_model(console, corpus, model)
    progress = _Progress(console)
    console.print(f"Starting the server over {folder.name} …")
    with serving(folder, progress.waiting) as server:
        console.print(f"Ready at {server.url} (GET /ping, POST /invocations)\n")
        _show_rankings(console, corpus, server)
        _show_late_chunking(console, corpus, server, untrained=model is None)
        console.rule("Speed, over HTTP, one request at a time", align="left")
        report.show_throughput(console, server.replies)
        if keep:
            _wait_for_interrupt(console, server)
    console.print("The server is stopped.")


def _find_model(console: Console, corpus: Corpus, model: str | None) -> Path:
    if model is None:
        report.show_notice(console, "stand-in", _STANDIN_NOTICE)
        return standin_folder(corpus)
    folder = fetch_model(model)
    report.show_notice(console, "licence", [LICENCE_NOTICE])
    return folder


def _show_rankings(console: Console, corpus: Corpus, server: Server) -> None:
    """Rank the passages for every query, at every dimension."""
    rankings: dict[int, list[Ranking]] = {}
    for dimensions in DIMENSIONS:
        passages = server.embed(
            f"passages, {dimensions} dimensions",
            [passage.text for passage in corpus.passages],
            task=Task.RETRIEVAL_PASSAGE,
            dimensions=dimensions,
        )
        queries = server.embed(
            f"queries, {dimensions} dimensions",
            [query.text for query in corpus.queries],
            task=Task.RETRIEVAL_QUERY,
            dimensions=dimensions,
        )
        rankings[dimensions] = rank(queries.vectors, passages.vectors)
    languages = len({passage.language for passage in corpus.passages})
    console.rule(f"Queries against {len(corpus.passages)} passages in {languages} languages", align="left")
    console.print(f"The first {report.TOP} of each; * marks the passages on the query's topic.\n")
    report.show_queries(console, corpus.queries, corpus.passages, rankings[DIMENSIONS[0]])
    console.rule(f"The same rankings at {', '.join(map(str, DIMENSIONS))} dimensions", align="left")
    console.print(
        f"shared: how many of the first {report.TOP} are also among the first {report.TOP} at {DIMENSIONS[0]}."
    )
    report.show_dimensions(console, corpus.queries, corpus.passages, dict(rankings))


def _show_late_chunking(console: Console, corpus: Corpus, server: Server, *, untrained: bool) -> None:
    """Rank the chunks of the long document, embedded one by one and as one."""
    document = corpus.document
    queries = server.embed(
        "questions about the document", [query.text for query in document.queries], task=Task.RETRIEVAL_QUERY
    )
    rankings = []
    for late in (False, True):
        chunks = server.embed(
            "document, late chunking" if late else "document, chunk by chunk",
            document.chunks,
            task=Task.RETRIEVAL_PASSAGE,
            late_chunking=late,
        )
        rankings.append(rank(queries.vectors, chunks.vectors))
    console.rule("Late chunking", align="left")
    console.print(
        f'"{document.title}", {len(document.chunks)} chunks, {chunks.tokens:,} tokens. Most chunks say only "it" or '
        '"them"; what that is, only the other chunks can tell. * marks the chunk that answers.'
    )
    if untrained:
        console.print("The stand-in has not learned to look: here it shows only that the request works.")
    console.print()
    report.show_late_chunking(console, document, *rankings)


def _wait_for_interrupt(console: Console, server: Server) -> None:
    """Leave the server to its user until Ctrl-C."""
    body = '{"data": [{"text": "hello"}], "parameters": {"task": "text-matching", "dimensions": 32}}'
    console.print("The server stays until Ctrl-C. Try:")
    console.print(
        f"curl -H 'Content-Type: application/json' -d '{body}' {server.url}/invocations", soft_wrap=True, markup=False
    )
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print()


class _Progress:
    """A line now and then while the server loads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = _PROGRESS_EVERY_S

    def waiting(self, seconds: float) -> None:
        if seconds >= self._next_s:
            self._next_s = seconds + _PROGRESS_EVERY_S
            self._console.print(f"  still loading after {seconds:.0f} s")


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
