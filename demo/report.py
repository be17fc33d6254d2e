"""What the demo shows: tables of rankings, as text that reads well in 80 columns and in a log."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from demo.corpus import LANGUAGES, Document, Text
from demo.endpoint import Reply
from demo.ranking import Ranking, overlap

TOP = 3
_MAX_WIDTH = 100  # longer lines are harder to read, not more telling


def make_console() -> Console:
    """Return a console for standard output: colours on a terminal, plain text elsewhere."""
    console = Console(highlight=False)
    console.width = min(console.width, _MAX_WIDTH)
    return console


def show_notice(console: Console, title: str, lines: Sequence[str]) -> None:
    """Show what must not be overlooked."""
    console.print(
        Panel("\n".join(escape(line) for line in lines), title=title, title_align="left", border_style="yellow")
    )


def show_queries(
    console: Console, queries: Sequence[Text], passages: Sequence[Text], rankings: Sequence[Ranking]
) -> None:
    """Show one ranked table a query; a ``*`` marks the passages on the query's topic."""
    for query, ranking in zip(queries, rankings, strict=True):
        console.print(f"[bold]{LANGUAGES[query.language]}: {escape(query.text)}[/]")
        table = Table(box=None, pad_edge=False, show_header=False, expand=True)
        table.add_column(width=3, justify="right")
        table.add_column(width=6)
        table.add_column(width=1)
        table.add_column(width=10)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for place, (index, score) in enumerate(zip(ranking.top(TOP), ranking.scores, strict=False), 1):
            passage = passages[index]
            mark = "*" if passage.topic == query.topic else ""
            table.add_row(str(place), f"{score:.4f}", mark, LANGUAGES[passage.language], escape(passage.text))
        console.print(table)
        console.print()


def show_dimensions(
    console: Console,
    queries: Sequence[Text],
    passages: Sequence[Text],
    rankings: dict[int, Sequence[Ranking]],
) -> None:
    """Show the first places at every dimension side by side, and how many each shares with the widest."""
    widest, *others = rankings
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("query")
    for dimensions in rankings:
        table.add_column(f"{dimensions}", no_wrap=True)
    table.add_column("shared", no_wrap=True)
    for number, query in enumerate(queries):
        cells = ["\n".join(_label(passages[i], query) for i in each[number].top(TOP)) for each in rankings.values()]
        shared = [
            f"{overlap(rankings[widest][number], rankings[dimensions][number], TOP)}/{TOP} at {dimensions}"
            for dimensions in others
        ]
        table.add_row(LANGUAGES[query.language], *cells, "\n".join(shared), end_section=True)
    console.print(table)
    console.print(_dimensions_summary(queries, passages, rankings))


def _dimensions_summary(
    queries: Sequence[Text], passages: Sequence[Text], rankings: dict[int, Sequence[Ranking]]
) -> Table:
    """Sum the side-by-side table up, a row a dimension."""
    widest = next(iter(rankings))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("dimensions", justify="right")
    table.add_column("bytes a vector", justify="right")
    table.add_column(f"top {TOP} shared with {widest}", justify="right")
    table.add_column("first is on topic", justify="right")
    for dimensions, ranked in rankings.items():
        shared = sum(overlap(one, other, TOP) for one, other in zip(rankings[widest], ranked, strict=True))
        first = sum(passages[each.order[0]].topic == query.topic for query, each in zip(queries, ranked, strict=True))
        table.add_row(
            str(dimensions),
            str(4 * dimensions),
            f"{shared / (TOP * len(queries)):.0%}",
            f"{first} of {len(queries)}",
        )
    return table


def show_late_chunking(console: Console, document: Document, alone: Sequence[Ranking], late: Sequence[Ranking]) -> None:
    """Show which chunks a question finds when each is embedded by itself, and when all see the whole document."""
    for query, by_itself, together in zip(document.queries, alone, late, strict=True):
        console.print(f"[bold]{escape(query.text)}[/]")
        table = Table(box=None, pad_edge=False, expand=True, header_style="italic")
        table.add_column("", width=3, justify="right")
        for name, ranking in (("chunk by chunk", by_itself), ("late chunking", together)):
            heading = f"{name}: the answer is at {ranking.rank_of(query.chunk)}"
            table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1)
        for place in range(TOP):
            cells = [
                f"{'*' if index == query.chunk else ' '} {escape(document.chunks[index])}"
                for index in (by_itself.order[place], together.order[place])
            ]
            table.add_row(str(place + 1), *cells)
        console.print(table)
        console.print()


def show_batch(
    console: Console,
    queries: Sequence[Text],
    passages: Sequence[Text],
    endpoint: Sequence[Ranking],
    batch: Sequence[Ranking],
) -> None:
    """Show the nearest passage of each query by the vectors of both ways, and how far any two cosines are apart."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("query")
    for heading in ("nearest by the endpoint", "nearest by batch transform"):
        table.add_column(heading, no_wrap=True)
    for query, *both in zip(queries, endpoint, batch, strict=True):
        names = [f"{_label(passages[each.order[0]], query)} {each.scores[0]:.4f}" for each in both]
        table.add_row(LANGUAGES[query.language], *names)
    console.print(table)
    same = sum(one.order[0] == other.order[0] for one, other in zip(endpoint, batch, strict=True))
    apart = max(
        abs(score - other.scores[other.order.index(passage)])
        for one, other in zip(endpoint, batch, strict=True)
        for passage, score in zip(one.order, one.scores, strict=True)
    )
    console.print(
        f"[bold]{same} of {len(queries)}[/] queries find the same passage first; "
        f"of {len(queries) * len(passages)} cosines the largest difference is {apart:.1g}\n"
    )


def show_throughput(console: Console, replies: Sequence[Reply]) -> None:
    """Show the tokens of every request, as the server counted them, against the time until its answer was there."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("request")
    for heading in ("texts", "tokens", "seconds", "tokens/s"):
        table.add_column(heading, justify="right")
    for reply in replies:
        table.add_row(reply.what, str(len(reply.vectors)), *_speed(reply.tokens, reply.seconds))
    table.add_section()
    texts = sum(len(reply.vectors) for reply in replies)
    sums = _speed(sum(reply.tokens for reply in replies), sum(reply.seconds for reply in replies))
    table.add_row("all", str(texts), *sums)
    console.print(table)
    console.print(f"[bold]{sums[-1]} tokens a second[/] over all requests\n")


def _speed(tokens: int, seconds: float) -> tuple[str, str, str]:
    return f"{tokens:,}", f"{seconds:.2f}", f"{tokens / seconds:,.0f}"


def _label(passage: Text, query: Text) -> str:
    mark = "*" if passage.topic == query.topic else " "
    return f"{mark} {passage.topic} ({passage.language})"
