"""The templates of a deployment, made while other things are done: its checks, and the CDK's toolkit stack."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self


class Templates:
    """The folder that the application writes, from ``begin`` on; it is removed with the end of the ``with``.

    Whoever ends before they are made waits for that, a few seconds.
    """

    def __init__(self, synthesise: Callable[[Path], None]) -> None:
        self._synthesise = synthesise
        self._folder = tempfile.TemporaryDirectory(prefix="jina-v3-cdk-")
        self._worker = ThreadPoolExecutor(1, "templates")
        self._made: Future[Path] | None = None

    def begin(self) -> None:
        """Begin to make them, without waiting."""
        self._made = self._made or self._worker.submit(self._make)

    def folder(self) -> Path:
        """Return their folder, once they are made.

        **Raises**: whatever making them has raised.
        """
        self.begin()
        assert self._made is not None
        return self._made.result()

    def _make(self) -> Path:
        folder = Path(self._folder.name).resolve() / "cdk.out"
        self._synthesise(folder)
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown()
        self._folder.cleanup()
