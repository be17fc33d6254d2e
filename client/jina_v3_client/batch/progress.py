"""What a person sees of long work: a bar of bytes, a line that moves; nothing where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jina_v3_client.protocols import Progress


@contextmanager
def uploading(progress: Progress | None, total_bytes: int, name: str) -> Iterator[Callable[[int], None]]:
    """Show an upload to a person; what is yielded takes the bytes of each part, from any thread."""
    if callable(progress) or not _is_shown(progress) or not total_bytes:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("uploading {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task(name, total=total_bytes)
        yield lambda count: bar.advance(task, count)


@contextmanager
def following(progress: Progress | None) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show how far a run is; what is yielded takes a line, the records done, and of how many."""
    if callable(progress):
        tell = progress
        yield lambda _, done, total: tell(done, total)
    elif not _is_shown(progress):
        yield lambda *_: None
    else:
        from rich.console import Console

        with Console(stderr=True, highlight=False).status("") as shown:
            yield lambda line, *_: shown.update(line)


def _is_shown(progress: Progress | None) -> bool:
    return progress is not False and sys.stderr is not None and sys.stderr.isatty()
