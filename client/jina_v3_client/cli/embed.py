"""``jina-v3 embed``: texts to vectors, as they come, in bounded memory."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Final

from jina_v3_client.cli.call import DONE, TEXTS_FAILED, Call
from jina_v3_client.cli.embedding import Embedded, embed_records
from jina_v3_client.cli.failures import CommandError
from jina_v3_client.cli.outputs import choose_format, open_output
from jina_v3_client.cli.records import STDIN, SUFFIXES, Source, from_files, from_words

_SHOWN_ERRORS: Final = 5


def embed(call: Call) -> int:
    """Embed what the words name, and return the exit status."""
    words, screen = call.words, call.screen
    parameters, sources = call.parameters(), _choose_sources(call)
    path = None if words.output in (None, STDIN) else Path(words.output)
    chosen = choose_format(path, words.format)
    account = _Account()
    shown = path is not None or not screen.is_terminal  # where vectors go to the terminal they are the progress
    with (
        closing(call.open_client()) as client,
        open_output(path, chosen, parameters) as output,
        screen.progress("texts", shown=shown) as tell,
    ):
        for one in embed_records(client, sources, parameters, words.errors):
            output.write(one.record, one.embedding, one.document)
            account.add(one)
            tell(account.texts, None)
    if not account.texts:
        screen.note(f"there was no text in {', '.join(source.name for source in sources)}")
    return account.tell(call)


class _Account:
    """How many there were, and the first that failed."""

    def __init__(self) -> None:
        self.texts = 0
        self._failed = 0
        self._first: list[str] = []

    def add(self, one: Embedded) -> None:
        """Count one in."""
        self.texts += 1
        if (error := one.embedding.error) is not None:
            self._failed += 1
            if len(self._first) < _SHOWN_ERRORS:
                self._first.append(f"  {one.record.place}: {error.message} ({error.code})")

    def tell(self, call: Call) -> int:
        """Say what failed, and return the exit status."""
        if not self._failed:
            return DONE
        call.screen.complain(f"{self._failed} of {self.texts} texts could not be embedded:")
        for line in self._first:
            call.screen.note(line)
        if self._failed > len(self._first):
            call.screen.note("  each of the others has its error in the output")
        return TEXTS_FAILED


def _choose_sources(call: Call) -> list[Source]:
    words = call.words
    for text in words.texts:
        if Path(text).suffix.lower() in SUFFIXES and Path(text).is_file():
            raise CommandError(
                f"{text!r} is a file; to embed what is in it: jina-v3 embed --file {text}; to embed its name as a "
                "text, send it by standard input",
                usage=True,
            )
    if words.texts and words.files:
        raise CommandError("texts and --file are both given; give one", usage=True)
    if words.texts:
        return [from_words(words.texts)]
    files = words.files or [STDIN]
    if STDIN in files and sys.stdin.isatty():
        call.screen.note("reading a text a line from the terminal; Ctrl-D ends it")
    return from_files(files, words.input_format, words.field)
