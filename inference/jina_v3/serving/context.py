"""One HTTP request as handlers see it: the part of AWS's context that they use, and what the response shall say."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ATTRIBUTES_HEADER: Final = "x-amzn-sagemaker-custom-attributes"
_MAX_ATTRIBUTES_CHARACTERS: Final = 1024


@dataclass(slots=True)
class RequestContext:
    """What handlers are passed as ``context``; method names are those of AWS's model servers.

    ``first_line`` is the number of the body's first line: a long body passes through the handlers in blocks. ``texts``,
    ``tokens`` and ``queue_ms`` are for the log.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    request_id: str
    status: int = 200
    content_type: str = "application/json"
    request_bytes: int = 0
    texts: int | None = None
    tokens: int | None = None
    queue_ms: float | None = None
    first_line: int = 1
    _response_headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_scope(cls, scope: Mapping[str, Any]) -> RequestContext:
        """Read an ASGI scope. A header that comes more than once is joined by commas."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        given = headers.get("x-amzn-requestid", "")
        request_id = (
            given if given.isascii() and given.isprintable() and 0 < len(given) <= 64 else secrets.token_hex(16)
        )
        context = cls(scope["method"], scope["path"], headers, request_id)
        attributes = headers.get(ATTRIBUTES_HEADER, "")
        if attributes.isascii() and attributes.isprintable() and 0 < len(attributes) <= _MAX_ATTRIBUTES_CHARACTERS:
            context.set_response_header(0, ATTRIBUTES_HEADER, attributes)
        return context

    def of_block(self, first_line: int) -> RequestContext:
        """Return the context of a block of the body: the same request, with a status of its own."""
        return dataclasses.replace(self, first_line=first_line)

    def get_request_id(self, idx: int = 0) -> str:  # noqa: ARG002  AWS's signature
        """Return the request's id, which errors and logs name."""
        return self.request_id

    def get_request_header(self, idx: int, key: str) -> str | None:  # noqa: ARG002  AWS's signature
        """Return a header of the request by its name in any case."""
        return self.headers.get(key.lower())

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:  # noqa: ARG002  AWS's signature
        """Set the status; the words for it are HTTP's own."""
        self.status = code

    def set_response_content_type(self, idx: int, value: str) -> None:  # noqa: ARG002  AWS's signature
        """Set the response's content type."""
        self.content_type = value

    def set_response_header(self, idx: int, key: str, value: str) -> None:  # noqa: ARG002  AWS's signature
        """Add a header to the response."""
        self._response_headers[key.lower()] = value

    def head(self, body_bytes: int | None) -> list[tuple[bytes, bytes]]:
        """Return the response's headers for a body of that size, or one that is sent in chunks."""
        headers = {
            "content-type": self.content_type,
            **({} if body_bytes is None else {"content-length": str(body_bytes)}),
            "x-amzn-requestid": self.request_id,
            **self._response_headers,
        }
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
