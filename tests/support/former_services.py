"""What a program called before it moved here, and SageMaker's runtime, played by one server on loopback.

Whatever the address (an API, a server of somebody's own, an endpoint), requests are read and answered by the real
server's codecs, with an encoder that makes a vector of a text and its parameters alone. So a page's "before" and
"after" give the same vectors exactly where they ask for the same.
"""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.support.asking import answer
from tests.support.fake_encoder import FakeEncoder

from jina_v3.config import Config
from jina_v3.errors import RequestError
from jina_v3.serving import codecs
from jina_v3.serving.error_body import write_error

ADDRESSES = ("api.jina.ai", "api.openai.com", "tei.example.com")
_LIBRARIES = (("httpx", "HTTPTransport"), ("httpx2", "HTTPTransport"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        given = (self.headers["Content-Type"], self.headers["Accept"] if self._is_sagemaker else None)
        status, written, media_type = _answer(body, *given, self.headers["X-Amzn-SageMaker-Custom-Attributes"])
        if status != 200 and self._is_sagemaker:
            problem = {"Message": "the model failed", "OriginalStatusCode": status, "OriginalMessage": written.decode()}
            status, written = 424, json.dumps(problem).encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(written)))
        if status == 424:
            self.send_header("x-amzn-ErrorType", "ModelError")
        self.end_headers()
        self.wfile.write(written)

    @property
    def _is_sagemaker(self) -> bool:
        return self.path.startswith("/endpoints/")

    def log_message(self, *_: Any) -> None:
        """Tell nothing."""


def _answer(body: bytes, media_type: str | None, accept: str | None, attributes: str | None) -> tuple[int, bytes, str]:
    """Return status, body and type of what our server answers."""
    try:
        request = codecs.read_request(body, media_type, Config(), attributes=attributes)
        writer = codecs.open_response(request, accept, attributes)
        for outcome in FakeEncoder().encode_jobs(request.jobs):
            if isinstance(outcome, RequestError):
                raise outcome
        return 200, answer(writer, [request]), writer.media_type
    except RequestError as error:
        return error.code.status, write_error(error, "a-request"), "application/json"


@contextmanager
def playing() -> Iterator[str]:
    """Start the server; yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def lead_everything_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let httpx, requests, boto3 and our client find it where the services were; other addresses are an error."""
    port = int(url.rpartition(":")[2])
    for library, name in _LIBRARIES:
        try:
            transport = getattr(importlib.import_module(library), name)
        except ImportError:
            continue
        monkeypatch.setattr(transport, "handle_request", _leading(transport.handle_request, port))
    try:
        from requests.adapters import HTTPAdapter
    except ImportError:
        pass
    else:
        send = HTTPAdapter.send

        def sent(self: Any, request: Any, **options: Any) -> Any:
            host, _, path = request.url.removeprefix("https://").partition("/")
            assert host in ADDRESSES
            request.url = f"{url}/{path}"
            return send(self, request, **options)

        monkeypatch.setattr(HTTPAdapter, "send", sent)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")  # the run's proxy lets nobody leave this machine; here nobody can try to
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "JINA_API_KEY"):
        monkeypatch.setenv(name, "testing")


def _leading(handle_request: Any, port: int) -> Any:
    def handle(self: Any, request: Any) -> Any:
        assert request.url.host in ADDRESSES
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
        return handle_request(self, request)

    return handle
