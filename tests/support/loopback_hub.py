"""A hub on loopback: the requests that huggingface_hub makes, with a log of them and faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_TREE_PAGE = 4  # entries a page: small, so that a listing always has several
_LFS_BYTES = 1000  # from this size on a file is kept as a large one, with a sha256


@dataclass(frozen=True)
class Served:
    """One answered request; ``sent_bytes`` counts the body's bytes that went out."""

    method: str
    path: str
    status: int
    start: int | None
    sent_bytes: int
    authorized: bool = False


@dataclass
class Faults:
    """What goes wrong, by file name; counts go down with each time it does."""

    cut_after_bytes: dict[str, list[int]] = field(default_factory=dict)  # one entry a request
    corrupt: dict[str, int] = field(default_factory=dict)
    stall_after_bytes: dict[str, int] = field(default_factory=dict)
    gated: bool = False
    wrong_commit: bool = False


class LoopbackHub:
    """Serves repositories given as ``{(id, commit): {path: content}}``."""

    def __init__(self, repositories: dict[tuple[str, str], dict[str, bytes]]) -> None:
        self.repositories = repositories
        self.faults = Faults()
        self.served: list[Served] = []
        self.released = threading.Event()
        hub = self

        class Handler(_Handler):
            def __init__(self, *arguments: object) -> None:
                self.hub = hub
                super().__init__(*arguments)  # type: ignore[arg-type]

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[LoopbackHub]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def sent_bytes(self, name: str) -> int:
        """Count the content bytes of one file that went out, over all requests."""
        return sum(served.sent_bytes for served in self.served if served.path.endswith(name))

    def fetched(self) -> set[str]:
        """Name the files of which content went out."""
        return {served.path for served in self.served if served.sent_bytes and "/api/" not in served.path}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go out in two writes
    hub: LoopbackHub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([0-9a-f]+)", path):
            self._tree(match[1], match[2])
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([0-9a-f]+)/(.+)", path):
            self._resolve(match[1], match[2], match[3])
        elif match := re.fullmatch(r"/cdn/([^/]+/[^/]+)/([0-9a-f]+)/(.+)", path):
            self._content(match[3], self.hub.repositories[match[1], match[2]][match[3]], {})
        else:
            self._refuse(404, "RepoNotFound")

    def _files(self, repository: str, commit: str) -> dict[str, bytes] | None:
        if repository not in {known for known, _ in self.hub.repositories}:
            self._refuse(401, "RepoNotFound")
        elif (repository, commit) not in self.hub.repositories:
            self._refuse(404, "RevisionNotFound")
        else:
            return self.hub.repositories[repository, commit]
        return None

    def _tree(self, repository: str, commit: str) -> None:
        files = self._files(repository, commit)
        if files is None:
            return
        folders = sorted({path.rsplit("/", 1)[0] for path in files if "/" in path})
        entries: list[dict[str, object]] = [
            {"type": "directory", "path": name, "oid": blob_id(name.encode())} for name in folders
        ]
        for path, content in files.items():
            entry: dict[str, object] = {
                "type": "file",
                "path": path,
                "size": len(content),
                "oid": blob_id(content),
            }
            if len(content) >= _LFS_BYTES:
                entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
                entry["xetHash"] = sha256(b"xet" + content)
            entries.append(entry)
        start = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0])
        headers = {"Content-Type": "application/json"}
        if start + _TREE_PAGE < len(entries):
            address = f"{self.hub.endpoint}/api/models/{repository}/tree/{commit}"
            headers["Link"] = f'<{address}?recursive=true&cursor={start + _TREE_PAGE}>; rel="next"'
        self._send(200, json.dumps(entries[start : start + _TREE_PAGE]).encode(), headers)

    def _resolve(self, repository: str, commit: str, path: str) -> None:
        files = self._files(repository, commit)
        if files is None:
            return
        if self.hub.faults.gated:
            self._refuse(403, "GatedRepo")
        elif path not in files:
            self._refuse(404, "EntryNotFound", {"X-Repo-Commit": commit})
        else:
            content = files[path]
            headers = {"X-Repo-Commit": "0" * 40 if self.hub.faults.wrong_commit else commit}
            if len(content) < _LFS_BYTES:
                self._content(path, content, headers | {"ETag": f'"{blob_id(content)}"'})
                return
            headers |= {"X-Linked-Etag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content))}
            headers |= {"X-Xet-Hash": sha256(b"xet" + content), "ETag": f'"{sha256(content)}"'}
            # another host than the hub's, as on the real one: the library follows only the hub's own redirects
            cdn = self.hub.endpoint.replace("127.0.0.1", "localhost")
            headers["Location"] = f"{cdn}/cdn/{repository}/{commit}/{path}"
            self._send(302, b"", headers)

    def _content(self, name: str, content: bytes, headers: dict[str, str]) -> None:
        faults = self.hub.faults
        if faults.corrupt.get(name, 0) and self.command == "GET":
            faults.corrupt[name] -= 1
            content = bytes(len(content))
        start, status = 0, 200
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start, status = int(match[1]), 206
            headers = headers | {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        body, stop = content[start:], None
        if self.command == "GET":
            if cuts := faults.cut_after_bytes.get(name):
                stop = cuts.pop(0)
            elif name in faults.stall_after_bytes:
                stop = faults.stall_after_bytes[name]
        self._send(status, body, headers, stop=stop, start=start, stall=name in faults.stall_after_bytes)

    def _refuse(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})})

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str],
        *,
        stop: int | None = None,
        start: int | None = None,
        stall: bool = False,
    ) -> None:
        sent = 0 if self.command == "HEAD" else len(body if stop is None else body[:stop])
        authorized = "Authorization" in self.headers
        self.hub.served.append(Served(self.command, urlsplit(self.path).path, status, start, sent, authorized))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[:sent])
        if stop is not None:
            self.wfile.flush()
            if stall:
                self.hub.released.wait(240)
            self.close_connection = True
