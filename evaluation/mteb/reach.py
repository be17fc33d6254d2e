"""Whether data sets and models can be had, known within seconds: libraries of the hub try again for minutes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

CONNECT_TIMEOUT_S: Final = 5.0
_MOST_NAMED: Final = 5


class UnreachableError(Exception):
    """Something that is needed cannot be had; the message says what to do."""


def check_hub(*, endpoint: str | None = None, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
    """Connect to the hub once, as its libraries would, unless they are told to stay offline or go through a proxy.

    **Raises**: ``UnreachableError``.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return
    url = endpoint or constants.ENDPOINT
    parts = urlsplit(url)
    if not parts.hostname:
        raise UnreachableError(f"HF_ENDPOINT is {url!r}; it must be a URL such as https://huggingface.co")
    if _has_proxy(url):
        return  # what is behind it, only a request can tell
    secure = parts.scheme == "https"
    try:
        with socket.create_connection((parts.hostname, parts.port or (443 if secure else 80)), timeout_s) as connection:
            if secure:
                ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname).close()
    except OSError as error:
        raise UnreachableError(
            f"the hub at {url} cannot be reached ({error}); set HF_ENDPOINT to a mirror, or HTTPS_PROXY, or, where the "
            "data sets are in this machine's cache already, HF_HUB_OFFLINE=1"
        ) from error


def check_cached(tasks: Iterable[AbsTask]) -> None:
    """Offline, look whether the tasks' data sets are in the cache. **Raises**: ``UnreachableError`` for those not."""
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE:
        return
    missing = {task.metadata.name: path for task in tasks for path in _sets(task) if not _is_cached(path)}
    if missing:
        named = ", ".join(f"{name} ({path})" for name, path in list(missing.items())[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        raise UnreachableError(
            f"HF_HUB_OFFLINE is set, and of {len(missing)} tasks the data set is not in {constants.HF_HUB_CACHE}: "
            f"{named}{more}; run once where the hub can be reached, or bring that cache here (HF_HOME)"
        )


def _sets(task: Any) -> Iterator[str]:
    """Yield the data sets of a task, or of the tasks that it is made of."""
    parts = getattr(task.metadata, "tasks", None)
    if parts:
        for part in parts:
            yield from _sets(part)
    elif path := task.metadata.dataset.get("path"):
        yield path


def _is_cached(path: str) -> bool:
    """Whether the hub's cache has files of the data set, or the one of ``datasets`` a prepared form."""
    from datasets import config
    from huggingface_hub import constants

    downloaded = Path(constants.HF_HUB_CACHE) / f"datasets--{path.replace('/', '--')}" / "snapshots"
    prepared = Path(config.HF_DATASETS_CACHE) / path.replace("/", "___").lower()
    return Path(path).exists() or any(folder.is_dir() and any(folder.iterdir()) for folder in (downloaded, prepared))


def _has_proxy(url: str) -> bool:
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")
