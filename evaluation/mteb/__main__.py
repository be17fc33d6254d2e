"""Evaluate a model folder, a hub id or a deployed endpoint by mteb, beside what was published of the model."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from evaluation.mteb.options import DEFAULT_TASKS, make_parser
from evaluation.mteb.reach import UnreachableError, check_cached, check_hub
from evaluation.mteb.sets import SETS, UnknownTaskError, dimensions_of, find_tasks, names, stand_for
from jina_v3.errors import CheckpointError, RequestError
from jina_v3_client import EmbeddingClient, JinaClientError
from jina_v3_client.settings import RetrySettings, Settings

DONE, INCOMPLETE, NOT_STARTED = 0, 1, 2


class StartError(Exception):
    """There is nothing to evaluate; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is evaluated: how it is called in results, and its model for mteb at some dimension."""

    name: str
    revision: str
    make: Callable[[int], Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 when every task was evaluated, 1 when some failed, 2 when nothing could begin."""
    options = make_parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    asked = names(options.tasks or ("" if options.list else DEFAULT_TASKS))
    try:
        if options.list:
            return _list(asked, console)
        return _evaluate(options, asked, console)
    except (StartError, UnreachableError, UnknownTaskError, CheckpointError, RequestError) as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_STARTED
    except KeyboardInterrupt:
        print("stopped; what was evaluated is kept, the same command goes on from there", file=sys.stderr)
        return INCOMPLETE


def _evaluate(options: argparse.Namespace, asked: Sequence[str], console: Console) -> int:
    """Check everything that is quick to check, in the order of what it takes, then run."""
    if bool(options.model) == bool(options.endpoint):
        raise StartError("give either a model or an endpoint: make evaluate MODEL=folder or ENDPOINT=name")
    folder = _local(options.model)
    check_hub()
    _need_mteb()
    if options.endpoint:
        console.print(f"asking the endpoint {options.endpoint} …")
    client = _called(options) if options.endpoint else None
    console.print("loading mteb …")
    chosen = find_tasks(asked, options.languages)
    check_cached([one.task for one in chosen])
    subject = _endpoint(options, client) if client else _engine(options, folder or _fetched(options.model))
    dimensions = options.dimensions or dimensions_of(asked)
    console.print(f"{subject.name}, revision {subject.revision}: {len(chosen)} tasks; results in {options.output}")

    from evaluation.mteb.report import sheets
    from evaluation.mteb.running import LostError, Outcome, run
    from evaluation.sheets import draw, write

    outcome = Outcome()
    lost = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of mteb and datasets, about themselves
        try:
            bars = sys.stderr.isatty()
            run(subject.make, chosen, dimensions, options.output, say=console.print, bars=bars, outcome=outcome)
        except LostError as error:
            lost = str(error)
    made = sheets(outcome.measured, stand_for(asked))
    heading = f"{subject.name}, revision {subject.revision}"
    for sheet in made:
        draw(sheet, console)
    for path in write(made, options.output, heading) if made else ():
        console.print(f"written: {path}")
    for name, why in outcome.failed.items():
        print(f"failed: {name}: {why}", file=sys.stderr)
    if lost:
        print(f"error: {lost}", file=sys.stderr)
    return INCOMPLETE if lost or outcome.failed else DONE


def _local(model: str) -> Path | None:
    """Return the folder, if it is one; what looks like a path but is none is said before anything else is tried."""
    if not model:
        return None
    if Path(model).is_dir():
        if not (Path(model) / "config.json").is_file():
            raise StartError(f"{model} has no config.json; give the folder of a model")
        return Path(model)
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise StartError(f"{model} is no folder here, and no hub id (owner/name)")
    return None


def _fetched(model: str) -> Path:
    from jina_v3_infra.hub import HubError, fetch_model

    try:
        return fetch_model(model)
    except HubError as error:
        raise StartError(str(error)) from error


def _engine(options: argparse.Namespace, folder: Path) -> Subject:
    from evaluation.mteb.engine import EngineClient, fingerprint
    from jina_v3.encoder import Encoder
    from jina_v3_client.integrations.mteb import JinaV3Encoder

    try:
        encoder = Encoder.from_folder(
            folder, device=options.device, dtype=options.dtype, max_batch_tokens=options.batch_tokens
        )
        client = EngineClient(encoder)
    except (OSError, ValueError) as error:
        raise StartError(str(error)) from error
    name = "engine/" + (Path(options.model).resolve().name if Path(options.model).is_dir() else _plain(options.model))
    revision = options.revision or f"{fingerprint(folder)}-{encoder.details['precision']}"
    return Subject(
        name,
        revision,
        lambda dimensions: JinaV3Encoder(client, dimensions=dimensions, name=name, revision=revision),  # type: ignore[arg-type]  # of a client, it needs embed alone
    )


def _called(options: argparse.Namespace) -> EmbeddingClient:
    """Return a client of the endpoint, which has answered once: without patience, but for machines that must come."""
    where = {"region": options.region, "profile": options.profile}
    try:
        with EmbeddingClient(options.endpoint, settings=Settings(retry=RetrySettings(attempts=2)), **where) as first:
            first.embed(["Is anybody there?"], task="text-matching")
        return EmbeddingClient(options.endpoint, **where)
    except JinaClientError as error:
        raise StartError(f"endpoint {options.endpoint}: {error}") from error


def _endpoint(options: argparse.Namespace, client: EmbeddingClient) -> Subject:
    from jina_v3_client.integrations.mteb import JinaV3Encoder

    name, revision = f"endpoint/{_plain(options.endpoint)}", options.revision or "deployed"
    return Subject(
        name, revision, lambda dimensions: JinaV3Encoder(client, dimensions=dimensions, name=name, revision=revision)
    )


def _list(asked: Sequence[str], console: Console) -> int:
    if not asked:
        for name, chosen in SETS.items():
            console.print(f"{name:<14}{chosen.purpose}")
        console.print(
            "and every task and benchmark of mteb by its name; --tasks NAME --list shows what a name stands for"
        )
        return DONE
    _need_mteb()
    for one in find_tasks(asked):
        console.print(f"{one.task.metadata.type!s:<28}{one.task.metadata.name}")
    return DONE


def _need_mteb() -> None:
    if importlib.util.find_spec("mteb") is None:
        raise StartError(f"mteb is not installed in {sys.prefix}; `make evaluate` has it, in .venv-integrations")


def _plain(name: str) -> str:
    return name.replace("/", "__").replace(":", "_")


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
