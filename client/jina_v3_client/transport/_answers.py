"""When an answer is whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jina_v3_client.transport import HttpResponse, TransportError

_WITHOUT_BODY: Final = (204, 304)


def whole_answer(status: int, headers: Mapping[str, str], body: bytes, host: str) -> HttpResponse:
    """Return what came, if its end can be told from a connection that broke: by a length, or by chunks.

    HTTP lets a server close the connection instead; AWS never does, and half an answer must not pass for one.

    **Raises**: ``TransportError``.
    """
    chunked = "chunked" in headers.get("transfer-encoding", "").lower()
    if not chunked and not headers.get("content-length", "").isdecimal() and status not in _WITHOUT_BODY:
        raise TransportError("broken", f"the answer of {host} does not say how long it is")
    return HttpResponse(status=status, headers=headers, body=body)
