"""Bytes from a hub into a file, resumable; knows nothing of repositories or checksums."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import httpx2
from huggingface_hub import get_session
from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]  # documented, not in __all__

_SPARE_BYTES = 64 * 1024 * 1024  # kept free beyond what is fetched
_TIMEOUT_S = 20.0  # for a connection, and between two reads
_FRUITLESS_TRIES = 5
_RETRY_PAUSE_S = 1.0


class DiskFullError(OSError):
    """The files do not fit; the message says how much is missing and where."""


class TransferError(OSError):
    """The connection failed; what has arrived is kept, and the next try goes on from there."""


def download(
    url: str,
    partial: Path,
    *,
    size_bytes: int,
    headers: dict[str, str],
    advance: Callable[[int], None],
) -> None:
    """Bring ``partial`` up to ``size_bytes`` with what ``url`` gives, from where an earlier try stopped.

    ``huggingface_hub`` 2.4 keeps no partial file between two runs (its temporary names are unique to a process) and
    loses up to 10 MB of each connection that breaks, so the file and the loop are ours; the session, its proxies
    and its errors are the library's. This is plain HTTP, never xet.

    **Raises**: ``TransferError`` after several tries in a row brought nothing; ``DiskFullError``; the hub's own
    ``HfHubHTTPError``.
    """
    if _size(partial) > size_bytes:
        partial.unlink()
    advance(_size(partial))
    fruitless = 0
    while (had_bytes := _size(partial)) < size_bytes or not partial.exists():
        try:
            _request(url, partial, size_bytes, headers, advance)
            failure: Exception = TransferError("the connection ended early")
        except httpx2.TransportError as error:
            failure = error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DiskFullError(errno.ENOSPC, f"the disk of {partial.parent} is full") from error
            raise
        # a line that breaks now and then still ends, as long as each connection brings something
        fruitless = fruitless + 1 if _size(partial) == had_bytes else 0
        if fruitless == _FRUITLESS_TRIES:
            raise TransferError(f"{type(failure).__name__}: {failure}") from failure
        if _size(partial) < size_bytes:
            time.sleep(_RETRY_PAUSE_S)


def _request(url: str, partial: Path, size_bytes: int, headers: dict[str, str], advance: Callable[[int], None]) -> None:
    """Ask once for the bytes that are missing, and append them.

    Without compression: a range of a compressed stream is not a range of the file.
    """
    had_bytes = _size(partial)
    asked = {**headers, "Accept-Encoding": "identity"}
    if had_bytes:
        asked["Range"] = f"bytes={had_bytes}-"
    with get_session().stream("GET", url, headers=asked, timeout=_TIMEOUT_S) as response:
        hf_raise_for_status(response)
        if had_bytes and response.status_code != HTTPStatus.PARTIAL_CONTENT:
            advance(-had_bytes)  # the server cannot send ranges: from the beginning again
            had_bytes = 0
        with partial.open("ab" if had_bytes else "wb") as sink:
            for block in response.iter_bytes():
                wanted = block[: size_bytes - had_bytes]  # more than was announced fails the digest anyway
                sink.write(wanted)
                had_bytes += len(wanted)
                advance(len(wanted))


def require_space(folder: Path, needed_bytes: int) -> None:
    """Check that ``needed_bytes`` fit into ``folder`` before the first of them is fetched.

    **Raises**: ``DiskFullError`` with what is needed and what is free.
    """
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes and free_bytes < needed_bytes + _SPARE_BYTES:
        raise DiskFullError(
            errno.ENOSPC,
            f"{needed_bytes / 1e6:,.0f} MB are needed in {folder}, {free_bytes / 1e6:,.0f} MB are free",
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
