"""``jina-v3 similarity``: the cosine of two texts, or the texts of files ranked by a query's."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from jina_v3.contract import Task
from jina_v3_client.cli.call import DONE, Call
from jina_v3_client.cli.embedding import embed_records
from jina_v3_client.cli.failures import CommandError
from jina_v3_client.cli.records import STDIN, from_files
from jina_v3_client.cli.words import read_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A text of a file, and the cosine of its vector and the query's."""

    score: float
    name: str
    text: str

    def __repr__(self) -> str:
        """No text."""
        return f"<Ranked {self.name} {self.score:.4f}>"


def similarity(call: Call) -> int:
    """Compare what the words name, and return the exit status."""
    if call.words.query is not None:
        return _rank(call)
    if len(call.words.texts) != 2:
        raise CommandError(
            f"two texts are compared, and there are {len(call.words.texts)}; to rank the texts of a file: "
            "jina-v3 similarity --query TEXT FILE",
            usage=True,
        )
    parameters = call.parameters(task=Task.TEXT_MATCHING)
    with closing(call.open_client()) as client:
        first, second = (one.vector for one in call.asking(client, parameters).whole(call.words.texts))
    assert first is not None
    assert second is not None
    score = float(first @ second)
    if call.words.json:
        call.screen.show_json({"similarity": score})
    else:
        call.screen.say(f"{score:.4f}")
    return DONE


def _rank(call: Call) -> int:
    words = call.words
    query_parameters = call.parameters(task=Task.RETRIEVAL_QUERY)
    parameters = call.parameters(task=Task.RETRIEVAL_PASSAGE)
    sources = from_files(words.texts or [STDIN], words.input_format, read_fields(words))
    with closing(call.open_client()) as client:
        (query,) = (one.vector for one in call.asking(client, query_parameters, progress=False).whole([words.query]))
        asking = call.asking(client, parameters)

        def rank() -> Iterator[Ranked]:
            for one in embed_records(asking, sources):
                assert one.embedding.vector is not None
                name = one.record.place if one.record.id is None else str(one.record.id)
                yield Ranked(score=float(one.embedding.vector @ query), name=name, text=one.record.text)

        best = heapq.nlargest(words.top, rank(), key=lambda one: one.score)
    if not best:
        call.screen.note(f"there was no text in {', '.join(source.name for source in sources)}")
    if words.json:
        call.screen.show_json([{"score": one.score, "id": one.name, "text": one.text} for one in best])
    else:
        rows = [(f"{one.score:.4f}", one.name, one.text) for one in best]
        call.screen.show_table(words.query, ("score", "id", "text"), rows)
    return DONE
