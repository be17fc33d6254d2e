"""``jina-v3 embed``: texts to vectors, as they come, in bounded memory."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from jina_v3_client.cli.call import Call
from jina_v3_client.cli.embedding import embed_records
from jina_v3_client.cli.failures import CommandError
from jina_v3_client.cli.outputs import VectorKind, choose_format, choose_path, open_output
from jina_v3_client.cli.records import STDIN, SUFFIXES, Source, from_files, from_words
from jina_v3_client.cli.tally import Tally
from jina_v3_client.cli.words import read_fields


def embed(call: Call) -> int:
    """Embed what the words name, and return the exit status."""
    words, screen = call.words, call.screen
    parameters, sources = call.parameters(), _choose_sources(call)
    path = choose_path(words.output)
    chosen = choose_format(path, words.format)
    tally = Tally()
    shown = path is not None or not screen.is_terminal  # where vectors go to the terminal they are the progress
    with (
        closing(call.open_client()) as client,
        open_output(path, chosen, VectorKind.of(parameters)) as output,
        closing(embed_records(call.asking(client, parameters, progress=shown), sources, words.errors)) as embedded,
    ):
        for one in embedded:
            output.write(one.record, one.embedding, one.document)
            tally.add(one.record, one.embedding)
    if not tally.texts:
        screen.note(f"there was no text in {', '.join(source.name for source in sources)}")
    return tally.tell(screen)


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
    if words.texts and words.texts != [STDIN]:
        return [from_words(words.texts)]
    files = words.files or [STDIN]
    if STDIN in files and sys.stdin.isatty():
        call.screen.note("reading a text a line from the terminal; Ctrl-D ends it")
    return from_files(files, words.input_format, read_fields(words))
