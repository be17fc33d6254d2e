"""No page of a browser reaches this AWS, which asks for no credentials and runs what is deployed to it.

Loopback keeps other machines away, not a page that is open on this one. A browser says where a page comes from
(``Origin``), and under which name it found this server (``Host``): one that its page's own server gave for loopback is
no name of ours.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local_aws.own_plane import json_response

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def refuse_pages(application: WSGIApplication) -> WSGIApplication:
    """Answer what a page of elsewhere sends with 403, before anything looks at it."""

    def answer(environ: Any, start_response: Any) -> Any:
        origin = environ.get("HTTP_ORIGIN")
        if not _is_here(f"http://{environ.get('HTTP_HOST', 'localhost')}") or (origin and not _is_here(origin)):
            body = {"message": "the local AWS is for programs of this machine, not for pages of a browser"}
            return json_response(403, body)(environ, start_response)
        return application(environ, start_response)

    return answer


def _is_here(url: str) -> bool:
    """Whether a URL's host is loopback; ``BUCKET.localhost`` is, as buckets are put before the name."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
