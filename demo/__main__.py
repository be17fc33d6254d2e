"""`python -m demo`: deploy a model to an AWS on this machine, embed texts in twelve languages, show what it finds.

First through the endpoint, then as a dataset in S3, through batch transform.
"""

from __future__ import annotations

import argparse
import io
import shlex
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from demo import report
from demo.account import Account, DeployError, local_account
from demo.corpus import Corpus, load_corpus
from demo.dataset import passage_id, query_id, read_vectors, write_dataset
from demo.endpoint import Endpoint
from demo.ranking import Ranking, rank
from demo.shell import offered, shell_commands
from jina_v3.contract import Task
from jina_v3_client import EmbeddingClient, JinaClientError
from jina_v3_infra.artifact import ArtifactError, list_model
from jina_v3_infra.config import DeploymentError
from jina_v3_infra.deploy.calls import example_calls
from jina_v3_infra.hub import LICENCE_NOTICE, HubError, resolve_model

DIMENSIONS = (1024, 256, 32)
_STANDIN_NOTICE = (
    "This is a stand-in, and it is untrained: the model's architecture with "
    "{layers} layers instead of 24 and random weights, scaled so that rarer shared words count. "
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
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, until Ctrl-C")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)  # so that everything is taken down however the demo ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # many scripts, perhaps a narrow terminal
    console = report.make_console()
    try:
        _run(console, options.model, keep=options.keep)
    except (HubError, ArtifactError, DeployError, JinaClientError, DeploymentError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def _run(console: Console, model: str | None, *, keep: bool) -> None:
    """Deploy, show everything, and take it down again."""
    corpus = load_corpus()
    source = _find_model(console, corpus, model)
    with local_account(source) as account:
        console.rule(f"An AWS on this machine, at {account.aws.url}", align="left")
        console.print("Nothing is billed here: the costs below are those of the same deployment in an account.")
        account.deploy()
        with EmbeddingClient.from_deployment(account.deployment.name) as client:
            _show_all(console, corpus, account, Endpoint(client), untrained=model is None)
            if keep:
                _wait_for_interrupt(console, account)
        console.rule("Everything down", align="left")
        account.destroy()
    console.print("The local AWS is stopped.")
    if not keep:
        console.print("For texts of your own: make demo KEEP=1 leaves it running.")


def _show_all(console: Console, corpus: Corpus, account: Account, endpoint: Endpoint, *, untrained: bool) -> None:
    """Show what the endpoint, and then batch transform, make of the texts."""
    console.print()
    by_endpoint = _show_rankings(console, corpus, endpoint)
    _show_late_chunking(console, corpus, endpoint, untrained=untrained)
    console.rule("Speed, through the client and the local AWS, one call at a time", align="left")
    report.show_throughput(console, endpoint.replies)
    _show_batch(console, corpus, account, endpoint.client, by_endpoint)


def _find_model(console: Console, corpus: Corpus, model: str | None) -> str:
    """Return what the deployment's ``model.source`` shall be."""
    if model is None:
        from demo.checkpoint import STANDIN_CONFIG, standin_folder  # with torch, which nothing else here needs

        notice = [line.format(layers=STANDIN_CONFIG.layers) for line in _STANDIN_NOTICE]
        report.show_notice(console, "stand-in", notice)
        return str(standin_folder(corpus))
    if Path(model).exists():
        list_model(Path(model))  # a folder that is no model is refused before anything is started
        return str(Path(model).resolve())
    resolve_model(model, None)
    report.show_notice(console, "licence", [LICENCE_NOTICE])
    return model


def _show_rankings(console: Console, corpus: Corpus, endpoint: Endpoint) -> list[Ranking]:
    """Rank the passages for every query, at every dimension; return the rankings at the widest."""
    rankings: dict[int, list[Ranking]] = {}
    for dimensions in DIMENSIONS:
        passages = endpoint.embed(
            f"passages, {dimensions} dimensions",
            [passage.text for passage in corpus.passages],
            task=Task.RETRIEVAL_PASSAGE,
            dimensions=dimensions,
        )
        queries = endpoint.embed(
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
    return rankings[DIMENSIONS[0]]


def _show_late_chunking(console: Console, corpus: Corpus, endpoint: Endpoint, *, untrained: bool) -> None:
    """Rank the chunks of the long document, embedded one by one and as one."""
    document = corpus.document
    queries = endpoint.embed(
        "questions about the document", [query.text for query in document.queries], task=Task.RETRIEVAL_QUERY
    )
    rankings = []
    for late in (False, True):
        chunks = endpoint.embed(
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


def _show_batch(
    console: Console, corpus: Corpus, account: Account, client: EmbeddingClient, by_endpoint: list[Ranking]
) -> None:
    """Embed the same texts as a dataset in S3, and compare what the vectors find with what the endpoint's found."""
    write_dataset(account.dataset, corpus)
    console.rule("The same texts as a dataset, through batch transform", align="left")
    console.print(
        "A file of JSON lines for each language and one of the queries, with four records that are wrong. The state "
        "machine embeds them on machines of their own, reads each output beside its input, and reports.\n"
    )
    account.embed_dataset("--task", Task.RETRIEVAL_PASSAGE.value)
    (run,) = client.batch.runs()
    result = client.batch.run(run.name).result()
    queries = read_vectors(result, map(query_id, corpus.queries))
    passages = read_vectors(result, map(passage_id, corpus.passages))
    console.print()
    report.show_batch(console, corpus.queries, corpus.passages, by_endpoint, rank(queries, passages))


def _wait_for_interrupt(console: Console, account: Account) -> None:
    """Leave everything to the user until Ctrl-C."""
    deployment = account.deployment
    exports = [f"export {name}={value}" for name, value in account.environment.items()]
    examples = example_calls(deployment.name, deployment.endpoint_name, deployment.region, account.aws.url)
    batch = f"""\
Batch transform, of these texts or of a folder of yours:
  {account.batch_command}"""
    with offered(shell_commands(account.environment, deployment.name)) as file:
        console.rule("Yours until Ctrl-C: in another shell", align="left")
        console.print(f". {shlex.quote(str(file))}", soft_wrap=True, markup=False)
        console.print(
            "\nThat points the shell here, and at no account of yours, with this project's commands on its path. "
            "For other programs:\n"
        )
        console.print("\n".join([*exports, "", examples, batch]), soft_wrap=True, markup=False)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            console.print()


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
