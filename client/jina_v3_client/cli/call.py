"""One call of the command: its words, who is asked, and what it works with."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, Final

from jina_v3.contract import Task
from jina_v3_client.cli import clients
from jina_v3_client.cli.asking import Asking
from jina_v3_client.cli.failures import CommandError
from jina_v3_client.cli.places import Place
from jina_v3_client.cli.screen import Screen
from jina_v3_client.errors import InvalidInputError
from jina_v3_client.parameters import Parameters
from jina_v3_client.protocols import Embedder

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
TEXTS_FAILED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a command is given."""

    words: argparse.Namespace
    place: Place
    screen: Screen

    def open_client(self) -> Embedder:
        """Return a client of whom the words name; it is the caller's to close."""
        return clients.open_client(self.place, getattr(self.words, "concurrency", None))

    def asking(self, client: Embedder, parameters: Parameters, *, progress: bool = True) -> Asking:
        """Return the client with what the words ask of it; it shows a bar only where there is a person to see it."""
        return Asking(client=client, parameters=parameters, progress=None if progress else False)

    def open_session(self) -> Any:
        """Return boto3's way to the account."""
        return clients.open_session(self.place)

    def parameters(self, *, task: Task | None = None) -> Parameters:
        """Return the parameters that the words name; ``task`` stands where they name none.

        **Raises**: ``CommandError`` for what cannot be.
        """
        named = {None: task, "none": None}.get(self.words.task, self.words.task)
        try:
            return Parameters(
                task=named,
                dimensions=self.words.dimensions,
                truncate=self.words.truncate,
                late_chunking=getattr(self.words, "late_chunking", False),
                form=getattr(self.words, "embedding_type", "float"),
            )
        except InvalidInputError as error:
            raise CommandError(str(error), usage=True) from error
