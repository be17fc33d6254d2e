"""moto's server on loopback that records what it is asked and can fail, stall and break connections.

Two things that S3 does and moto does not are added: a body must have the SHA-256 that its header names, and the parts
of an unfinished upload are listed with theirs.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

_ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


class _Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; ``line`` is method, path and query, ``sent_bytes`` what of its body came."""

    line: str
    sent_bytes: int

    @property
    def changes(self) -> bool:
        """Say whether S3 would change anything."""
        return not self.line.startswith(("GET ", "HEAD "))


@dataclass
class LoopbackAws:
    """One server; faults apply to requests whose line matches the pattern, as often as the number says."""

    refuse: list[tuple[str, int, str, int]] = field(default_factory=list)  # pattern, status, code, times
    cut: list[tuple[str, int, int]] = field(default_factory=list)  # pattern, after how many bytes, times
    before: Callable[[str], None] = lambda _line: None  # called with each line, may wait
    asked: list[Asked] = field(default_factory=list)
    endpoint: str = ""
    _checksums: dict[tuple[str, str], str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator[LoopbackAws]:
        """Serve until the context ends."""
        self._moto = DomainDispatcherApplication(create_backend_app)
        server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Silent)
        self.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def heal(self) -> None:
        """Forget faults and records."""
        self.refuse.clear()
        self.cut.clear()
        self.asked.clear()
        self.before = lambda _line: None

    def changes(self) -> list[Asked]:
        """Return the requests that change something."""
        return [each for each in self.asked if each.changes]

    def sent_bytes(self, pattern: str) -> int:
        """Count the body's bytes of all requests whose line matches."""
        return sum(each.sent_bytes for each in self.asked if re.search(pattern, each.line))

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        query = environ["QUERY_STRING"]
        line = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{query}"
        length = int(environ.get("CONTENT_LENGTH") or 0)
        after_bytes = self._pick_cut(line)
        body = environ["wsgi.input"].read(length if after_bytes is None else min(after_bytes, length))
        with self._lock:
            self.asked.append(Asked(line, len(body)))
        if after_bytes is not None:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError
        self.before(line)
        refusal = self._pick_refusal(line)
        checksum = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
        if checksum and checksum != base64.b64encode(hashlib.sha256(body).digest()).decode():
            refusal = (400, "BadDigest")
        if refusal:
            status, code = refusal
            start(f"{status} {code}", [("Content-Type", "application/xml")])
            return [_ERROR.format(code=code, message="as the test wants it").encode()]
        environ["wsgi.input"] = io.BytesIO(body)
        environ.pop("wsgi.input_terminated", None)
        answer, status_line, headers = run_wsgi_app(self._moto, environ, buffered=True)
        content = b"".join(answer)
        names = parse_qs(query)
        if "uploadId" in names and environ["REQUEST_METHOD"] == "PUT" and checksum:
            self._checksums[names["uploadId"][0], names["partNumber"][0]] = checksum
        if "uploadId" in names and environ["REQUEST_METHOD"] == "GET":
            content = self._with_checksums(names["uploadId"][0], content)
            headers["Content-Length"] = str(len(content))
        start(status_line, list(headers.items()))
        return [content]

    def _pick_cut(self, line: str) -> int | None:
        with self._lock:
            for number, (pattern, after_bytes, times) in enumerate(self.cut):
                if times and re.search(pattern, line):
                    self.cut[number] = (pattern, after_bytes, times - 1)
                    return after_bytes
        return None

    def _pick_refusal(self, line: str) -> tuple[int, str] | None:
        with self._lock:
            for number, (pattern, status, code, times) in enumerate(self.refuse):
                if times and re.search(pattern, line):
                    self.refuse[number] = (pattern, status, code, times - 1)
                    return status, code
        return None

    def _with_checksums(self, upload_id: str, content: bytes) -> bytes:
        def add(found: re.Match[bytes]) -> bytes:
            checksum = self._checksums[upload_id, found.group(1).decode()]
            return found.group() + f"<ChecksumSHA256>{checksum}</ChecksumSHA256>".encode()

        return re.sub(rb"<PartNumber>(\d+)</PartNumber>", add, content)
