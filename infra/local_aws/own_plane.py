"""The planes of ``/_local/…``: what a local AWS has beside the services' own APIs, as JSON over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def own_plane(path: str, respond: Callable[[Request, str], Response]) -> Callable[[WSGIApplication], WSGIApplication]:
    """Make the plane of a path and of what is below it; ``respond`` is told the rest of the path, empty at the path."""

    def plane(next_application: WSGIApplication) -> WSGIApplication:
        def answer(environ: Any, start_response: Any) -> Any:
            asked = environ.get("PATH_INFO", "")
            if asked != path and not asked.startswith(f"{path}/"):
                return next_application(environ, start_response)
            return respond(Request(environ), asked[len(path) + 1 :])(environ, start_response)

        return answer

    return plane


def json_response(status: int, body: dict[str, Any]) -> Response:
    """Write an answer."""
    return Response(json.dumps(body), status, content_type="application/json")
